//go:build lab

package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// delayRelays has each packet to a relay wait before it is taken, from other relays too, as
// distance would: until the test ends. The kernel hands the packets' numbers to this process
// (NFQUEUE, linux/netfilter/nfnetlink_queue.h), which lets each go in its time. Where packets leave they
// would count as the sender's that are not sent yet, of which TCP allows two.
func delayRelays(t testing.TB, ctx context.Context, l *Lab, wait time.Duration) {
	t.Helper()
	n, err := l.Plan().Node(RelaysNode)
	if err != nil {
		t.Fatal(err)
	}
	q, err := openQueue("/run/netns/" + n.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, tables := range []string{"iptables", "ip6tables"} {
		mustExec(t, ctx, l, RelaysNode, tables, "-A", "INPUT", "-p", "tcp", "-j", "NFQUEUE", "--queue-num", "0")
	}
	held := make(chan heldPacket, 1<<16)
	go q.read(held, wait)
	go q.release(held)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
}

// heldPacket is one that waits.
type heldPacket struct {
	number uint32
	until  time.Time
}

// queue is the netlink socket of a queue.
type queue struct{ *os.File }

// openQueue binds the queue 0 of a network namespace; packets come by number alone.
func openQueue(namespace string) (queue, error) {
	fd, err := socketIn(namespace)
	if err != nil {
		return queue{}, err
	}
	const bind, copyMeta = 1, 1
	var config []byte
	config = append(config, attribute(1, []byte{bind, 0, 0, 0})...)                         // NFQA_CFG_CMD
	config = append(config, attribute(2, []byte{0, 0, 0, 0, copyMeta})...)                  // NFQA_CFG_PARAMS
	config = append(config, attribute(3, binary.BigEndian.AppendUint32(nil, 1<<16))...)     // NFQA_CFG_QUEUE_MAXLEN
	config = append(config, attribute(4, binary.BigEndian.AppendUint32(nil, 1<<0|1<<2))...) // NFQA_CFG_MASK
	config = append(config, attribute(5, binary.BigEndian.AppendUint32(nil, 1<<0|1<<2))...) // NFQA_CFG_FLAGS: fail open, whole segments
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20), unix.SetNonblock(fd, true))
	q := queue{os.NewFile(uintptr(fd), "queue")}
	return q, errors.Join(err, q.send(2, config))
}

// socketIn opens a netlink socket in another network namespace, by a thread that ends with it.
func socketIn(namespace string) (fd int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends
		ns, e := os.Open(namespace)
		if err = e; err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		}
	}()
	<-done
	return fd, err
}

// attribute is a netlink attribute, padded.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// send sends one message to queue 0.
func (q queue) send(message byte, attributes []byte) error {
	const subsystem, request = 3, unix.NLM_F_REQUEST
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+4+len(attributes)))
	b = binary.NativeEndian.AppendUint16(b, subsystem<<8|uint16(message))
	b = binary.NativeEndian.AppendUint16(b, request)
	b = append(b, make([]byte, 8)...)      // sequence, port
	b = append(b, unix.AF_UNSPEC, 0, 0, 0) // nfgenmsg, queue 0
	_, err := q.Write(append(b, attributes...))
	return err
}

// read notes each packet, in the order in which they come.
func (q queue) read(held chan<- heldPacket, wait time.Duration) {
	defer close(held)
	buffer := make([]byte, 1<<16)
	for {
		n, err := q.Read(buffer)
		if errors.Is(err, unix.ENOBUFS) {
			continue // what did not fit has passed
		}
		if err != nil {
			return
		}
		until := time.Now().Add(wait)
		for b := buffer[:n]; len(b) >= 32; {
			size := int(binary.NativeEndian.Uint32(b))
			// The first attribute is NFQA_PACKET_HDR, and begins with the number.
			if kind := binary.NativeEndian.Uint16(b[4:]); kind == 3<<8 && size >= 32 {
				held <- heldPacket{binary.BigEndian.Uint32(b[24:]), until}
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// release lets each go in its time.
func (q queue) release(held <-chan heldPacket) {
	for p := range held {
		time.Sleep(time.Until(p.until))
		q.verdict(p.number)
	}
}

// verdict lets all packets go up to a number.
func (q queue) verdict(number uint32) {
	const accept = 1
	value := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, accept), number)
	_ = q.send(3, attribute(2, value)) // NFQNL_MSG_VERDICT_BATCH, NFQA_VERDICT_HDR; it fails when the test ends
}
