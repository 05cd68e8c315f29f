package ntp

import (
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// socket reads with the address that was asked, and answers from there: on a
// wildcard socket the system would choose one, and a device, or the kernel's
// redirection, takes no answer from another.
type socket interface {
	read(b []byte) (n int, at net.IP, from net.Addr, err error)
	write(b []byte, at net.IP, to net.Addr) error
}

func wrap(pc net.PacketConn) (socket, error) {
	u, ok := pc.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("a %T is no UDP socket", pc)
	}
	if u.IP.To4() != nil {
		c := ipv4.NewPacketConn(pc)
		return socket4{c}, c.SetControlMessage(ipv4.FlagDst, true)
	}
	c := ipv6.NewPacketConn(pc)
	return socket6{c}, c.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}

type socket4 struct{ *ipv4.PacketConn }

func (s socket4) read(b []byte) (int, net.IP, net.Addr, error) {
	n, control, from, err := s.ReadFrom(b)
	if control == nil {
		return n, nil, from, err
	}
	return n, control.Dst, from, err
}

func (s socket4) write(b []byte, at net.IP, to net.Addr) error {
	_, err := s.WriteTo(b, &ipv4.ControlMessage{Src: at}, to)
	return err
}

type socket6 struct{ *ipv6.PacketConn }

func (s socket6) read(b []byte) (int, net.IP, net.Addr, error) {
	n, control, from, err := s.ReadFrom(b)
	if control == nil {
		return n, nil, from, err
	}
	return n, control.Dst, from, err
}

func (s socket6) write(b []byte, at net.IP, to net.Addr) error {
	_, err := s.WriteTo(b, &ipv6.ControlMessage{Src: at}, to)
	return err
}
