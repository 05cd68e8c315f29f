package leaktest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// capture counts the packets on some interfaces, in both directions, before
// and after all rules (packet(7)).
type capture struct {
	guest []netip.Addr
	nonce string
	done  sync.WaitGroup

	mu      sync.Mutex
	stop    bool
	classes [len(classes)]int
	names   int // that hold the nonce, beside those of classes
	sources int // with the guest's own address, beside those of classes
	markers int
}

// markerType is an EtherType for experiments (RFC 9542, appendix B.3).
const markerType = 0x88b5

// pollEvery bounds how long a capture takes to end.
const pollEvery = 100 * time.Millisecond

// listen begins a capture; it has begun when listen returns.
func listen(names []string, guest []netip.Addr, nonce string) (*capture, error) {
	c := &capture{guest: guest, nonce: nonce}
	for _, name := range names {
		fd, err := openTap(name, unix.ETH_P_ALL)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("listening on %s: %w", name, err)
		}
		c.done.Go(func() { c.read(fd) })
	}
	return c, nil
}

// openTap returns a socket that gets each packet of an interface without its
// link header.
func openTap(name string, protocol uint16) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	timeout := unix.NsecToTimeval(pollEvery.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: i.Index}))
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

func (c *capture) read(fd int) {
	defer unix.Close(fd)
	buffer := make([]byte, 1<<16)
	for !c.stopped() {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			continue
		case err != nil: // the interface has gone
			return
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok {
			c.count(networkOrder(ll.Protocol), buffer[:n])
		}
	}
}

func (c *capture) count(protocol uint16, packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch protocol {
	case markerType:
		c.markers++
		return
	case unix.ETH_P_IP, unix.ETH_P_IPV6:
	default:
		return
	}
	switch s := look(packet, c.guest, c.nonce); {
	case s.class >= 0:
		c.classes[s.class]++
	case s.name:
		c.names++
	case s.own:
		c.sources++
	}
}

func (c *capture) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop
}

// close ends the capture; what it counted stays.
func (c *capture) close() {
	c.mu.Lock()
	c.stop = true
	c.mu.Unlock()
	c.done.Wait()
}

// seenMarker waits until the capture has seen a frame that this process sends
// on each of the interfaces: a capture that sees nothing proves nothing. The
// frames are to the interface itself, so no host takes them; an interface
// without hardware addresses, as PPP's, gets none.
func (c *capture) seenMarker(names []string) error {
	sent := 0
	for _, name := range names {
		i, err := net.InterfaceByName(name)
		if err != nil || len(i.HardwareAddr) != 6 {
			continue
		}
		if err := sendMarker(i); err != nil {
			return fmt.Errorf("marking the capture of %s: %w", name, err)
		}
		sent++
	}
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		seen := c.markers
		c.mu.Unlock()
		if seen >= sent {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the capture of the uplinks saw %d of %d frames that were sent there", seen, sent)
		}
	}
}

func sendMarker(i *net.Interface) error {
	fd, err := openTap(i.Name, markerType)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(markerType), Ifindex: i.Index, Halen: 6}
	copy(to.Addr[:], i.HardwareAddr)
	return unix.Sendto(fd, make([]byte, 46), 0, to)
}
