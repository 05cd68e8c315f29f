//go:build lab

package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// settle is how long a packet may take through three namespaces.
const settle = 120 * time.Millisecond

// capture collects what arrives on an interface, but for what keeps the link
// itself alive (ARP, neighbour discovery).
type capture struct {
	links   bool // what keeps the link alive too
	mu      sync.Mutex
	ears    []ear
	packets []string
}

// ear is a socket of a capture, and what is noted of what comes to it.
type ear struct {
	fd   int
	text func(b []byte, from unix.Sockaddr) (text string, note bool)
}

// captureOn starts a capture of what others send to the node.
func (n *node) captureOn(device string) *capture {
	n.t.Helper()
	return n.start(device, &capture{})
}

func (n *node) start(device string, c *capture) *capture {
	n.t.Helper()
	fd := -1
	n.do(func() {
		link, err := net.InterfaceByName(device)
		if err != nil {
			n.t.Error(err)
			return
		}
		all := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(all)); err != nil {
			n.t.Error(err)
			return
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}); err != nil {
			n.t.Error(err)
		}
	})
	if n.t.Failed() {
		n.t.FailNow()
	}
	n.hears(c, ear{fd, func(b []byte, from unix.Sockaddr) (string, bool) {
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
			return "", false
		}
		text, link := describe(b)
		return text, c.links || !link
	}})
	return c
}

// hears has a capture empty its sockets all the time, until the test ends.
func (n *node) hears(c *capture, ears ...ear) {
	c.ears = ears
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var wait []unix.PollFd
		for _, e := range ears {
			wait = append(wait, unix.PollFd{Fd: int32(e.fd), Events: unix.POLLIN})
		}
		for {
			select {
			case <-stop:
				return
			default:
			}
			if ready, err := unix.Poll(wait, 20); ready > 0 && err == nil {
				c.mu.Lock()
				c.empty()
				c.mu.Unlock()
			}
		}
	}()
	n.t.Cleanup(func() {
		close(stop)
		<-stopped
		for _, e := range ears {
			unix.Close(e.fd)
		}
	})
}

// empty notes what has come to the sockets, with c.mu held: all that is there now, whether or not anybody had time to read it.
func (c *capture) empty() {
	b := make([]byte, 65536)
	for _, e := range c.ears {
		for {
			size, from, err := unix.Recvfrom(e.fd, b, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
				continue // that the interface is down is told once
			} else if err != nil {
				break // EAGAIN
			}
			if text, note := e.text(b[:size], from); note {
				c.packets = append(c.packets, text)
			}
		}
	}
}

// listens captures what is delivered to the node itself, of the protocols that no
// server of a test could be asked by: whoever has answered, it was let in.
func (n *node) listens() *capture {
	n.t.Helper()
	c := &capture{}
	var ears []ear
	for _, protocol := range []byte{unix.IPPROTO_ICMP, unix.IPPROTO_UDP, unix.IPPROTO_ESP, unix.IPPROTO_ICMPV6} {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			if protocol == unix.IPPROTO_ICMP && family == unix.AF_INET6 || protocol == unix.IPPROTO_ICMPV6 && family == unix.AF_INET {
				continue
			}
			var fd int
			var err error
			n.do(func() { fd, err = unix.Socket(family, unix.SOCK_RAW, int(protocol)) })
			if err != nil {
				n.t.Fatal(err)
			}
			ears = append(ears, ear{fd, func(b []byte, from unix.Sockaddr) (string, bool) { return delivered(protocol, b, from) }})
		}
	}
	n.hears(c, ears...)
	return c
}

// delivered describes what a raw socket was given: of IPv4 with its header (raw(7)).
func delivered(protocol byte, b []byte, from unix.Sockaddr) (text string, note bool) {
	var source netip.Addr
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		source = netip.AddrFrom4(from.Addr)
		if len(b) < 20 {
			return "", false
		}
		b = b[int(b[0]&15)*4:]
	case *unix.SockaddrInet6:
		source = netip.AddrFrom16(from.Addr)
	}
	return packetText(source, netip.IPv6Unspecified(), protocol, b), source.IsValid()
}

// take waits for stragglers, then returns what arrived since the last call.
func (c *capture) take() []string {
	time.Sleep(settle)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.empty()
	packets := c.packets
	c.packets = nil
	return packets
}

// describe returns "SOURCE > DESTINATION PROTOCOL ...", and whether that is
// link keeping.
func describe(frame []byte) (text string, link bool) {
	if len(frame) < 14 {
		return "short frame", false
	}
	payload := frame[14:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0806:
		return "ARP", true
	case 0x0800:
		if len(payload) < 20 {
			return "short IPv4", false
		}
		return packetText(netip.AddrFrom4([4]byte(payload[12:16])), netip.AddrFrom4([4]byte(payload[16:20])), payload[9],
			payload[int(payload[0]&15)*4:]), false
	case 0x86dd:
		if len(payload) < 41 {
			return "short IPv6", false
		}
		next, rest := payload[6], payload[40:]
		if next == 0 && len(rest) > 8 { // hop-by-hop options, of listener reports
			next, rest = rest[0], rest[(int(rest[1])+1)*8:]
		}
		text = packetText(netip.AddrFrom16([16]byte(payload[8:24])), netip.AddrFrom16([16]byte(payload[24:40])), next, rest)
		return text, next == 58 && rest[0] >= 130
	}
	return fmt.Sprintf("frame of type %#x", binary.BigEndian.Uint16(frame[12:])), false
}

func packetText(from, to netip.Addr, protocol byte, rest []byte) string {
	text := fmt.Sprintf("%v > %v protocol %d", from, to, protocol)
	if (protocol == 6 || protocol == 17) && len(rest) >= 8 {
		text += fmt.Sprintf(" ports %d > %d", binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:]))
	}
	if protocol == 6 && len(rest) >= 20 {
		text += fmt.Sprintf(" flags %#02x", rest[13])
	}
	if (protocol == 1 || protocol == 58) && len(rest) >= 2 {
		text += fmt.Sprintf(" type %d/%d", rest[0], rest[1])
	}
	return text
}

func TestDescribe(t *testing.T) {
	frame := make([]byte, 14+20+20)
	frame[12] = 8
	copy(frame[14:], []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 168, 77, 10, 203, 0, 113, 1, 0, 80, 1, 187})
	frame[14+20+13] = 4
	if got, link := describe(frame); link || got != "192.168.77.10 > 203.0.113.1 protocol 6 ports 80 > 443 flags 0x04" {
		t.Errorf("got %q", got)
	}
}

func TestBounded(t *testing.T) {
	e := newEnds(rules.IPv4)
	for packet, want := range map[string]bool{
		e.at("gateway") + " > " + e.at("internet") + " protocol 6 ports 8080 > 40041 flags 0x12": false, // to whom the system gave 40041
		e.at("phone") + " > " + e.at("internet") + " protocol 6 ports 40000 > 4004 flags 0x18":   true,
	} {
		c := &capture{packets: []string{packet}}
		if got := c.has(bounded(e, ` > $internet protocol 6 ports .* > 4004`)); got != want {
			t.Errorf("%s: %v, want %v", packet, got, want)
		}
	}
}
