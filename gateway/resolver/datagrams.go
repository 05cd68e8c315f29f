package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many datagrams are read, and answered, by one system call.
const batch = 32

// controlSize has room for the addresses of both families (ip(7), ipv6(7)).
const controlSize = 128

// datagrams are those that one recvmmsg(2) has read, and their answers, which one
// sendmmsg(2) sends. They are used again and again, by one goroutine.
type datagrams struct {
	raw     syscall.RawConn
	in, out [batch]message
	iov     [2 * batch]unix.Iovec
	from    [batch]unix.RawSockaddrInet6 // of either family: that of IPv4 is shorter
	control [batch][controlSize]byte
	bytes   [batch][ednsSize]byte
	answers [batch][ednsSize]byte
	replies int // of out that wait to be sent
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	unix.Msghdr
	size uint32
}

func newDatagrams(conn *net.UDPConn) (*datagrams, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &datagrams{raw: raw}
	for i := range d.in {
		d.iov[i].Base = &d.bytes[i][0]
		d.iov[i].SetLen(ednsSize)
		d.in[i].Iov, d.in[i].Name, d.in[i].Control = &d.iov[i], (*byte)(unsafe.Pointer(&d.from[i])), &d.control[i][0]
		d.in[i].SetIovlen(1)
	}
	return d, wantAddresses(raw)
}

// wantAddresses has each datagram say which address it was sent to.
func wantAddresses(raw syscall.RawConn) error {
	var err4, err6 error
	err := raw.Control(func(fd uintptr) {
		err6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		err4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
	if err != nil {
		return err
	}
	if err4 != nil && err6 != nil { // a socket of one family has one of them
		return fmt.Errorf("asking which address is asked: %w", errors.Join(err4, err6))
	}
	return nil
}

// receive waits for datagrams and returns how many have come.
func (d *datagrams) receive() (n int, err error) {
	for i := range d.in {
		d.in[i].Namelen = unix.SizeofSockaddrInet6
		d.in[i].SetControllen(controlSize)
	}
	d.replies = 0
	var failed error
	err = d.raw.Read(func(fd uintptr) bool {
		n, failed = transfer(unix.SYS_RECVMMSG, fd, d.in[:])
		return failed != unix.EAGAIN
	})
	if err != nil {
		return 0, err
	}
	return n, failed
}

// transfer is recvmmsg(2) and sendmmsg(2), without waiting.
func transfer(call, fd uintptr, messages []message) (int, error) {
	for {
		n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

func (d *datagrams) received(i int) []byte { return d.bytes[i][:d.in[i].size] }

// source is the address of the device that sent a datagram.
func (d *datagrams) source(i int) netip.Addr {
	if d.from[i].Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&d.from[i])).Addr)
	}
	return identity(netip.AddrFrom16(d.from[i].Addr))
}

// room is where the answer to a datagram may be written.
func (d *datagrams) room(i int) []byte { return d.answers[i][:] }

// reply has b sent to where datagram i came from. It is not copied. Nothing is sent
// before flush.
func (d *datagrams) reply(i int, b []byte) {
	if len(b) == 0 {
		return
	}
	d.out[d.replies] = d.in[i].toward(&d.iov[batch+d.replies], b, back(d.control[i][:d.in[i].Controllen]))
	d.replies++
}

// toward is a message with b to where m came from.
func (m *message) toward(iov *unix.Iovec, b, control []byte) message {
	iov.Base = &b[0]
	iov.SetLen(len(b))
	out := message{Msghdr: unix.Msghdr{Name: m.Name, Namelen: m.Namelen, Iov: iov}}
	out.SetIovlen(1)
	if len(control) > 0 {
		out.Control = &control[0]
		out.SetControllen(len(control))
	}
	return out
}

func (d *datagrams) flush() { send(d.raw, d.out[:d.replies]) }

// send sends messages. One that cannot be sent is lost, as it may be on the wire.
func send(raw syscall.RawConn, messages []message) {
	for len(messages) > 0 {
		var n int
		var failed error
		err := raw.Write(func(fd uintptr) bool {
			n, failed = transfer(unix.SYS_SENDMMSG, fd, messages)
			return failed != unix.EAGAIN
		})
		if err != nil {
			return
		}
		if failed != nil {
			n = 1 // it is the first that failed
		}
		messages = messages[n:]
	}
}

// back makes, of the control messages of a question, that of its answer: it leaves from
// the address that was asked, by whatever interface leads to the device. It changes b.
func back(b []byte) []byte {
	const info4, info6, interface6 = unix.SizeofInet4Pktinfo, unix.SizeofInet6Pktinfo, 16
	var answer []byte
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		whole := b[:len(b)-len(rest)]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= info4:
			clear(data[:4])             // interface
			copy(data[4:8], data[8:12]) // what is sent from is what it was sent to
			return whole
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= info6:
			clear(data[interface6:info6])
			answer = whole
		}
		b = rest
	}
	return answer
}

// origin is where a question came from that is answered later.
type origin struct {
	raw     syscall.RawConn
	in      message
	from    unix.RawSockaddrInet6
	control []byte
}

// keep copies where datagram i came from.
func (d *datagrams) keep(i int) *origin {
	o := &origin{raw: d.raw, in: d.in[i], from: d.from[i]}
	o.in.Name = (*byte)(unsafe.Pointer(&o.from))
	o.control = append(o.control, back(d.control[i][:d.in[i].Controllen])...)
	return o
}

func (o *origin) send(b []byte) {
	var iov unix.Iovec
	send(o.raw, []message{o.in.toward(&iov, b, o.control)})
}
