package leaktest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Answer is what a host of the household tells a new device: where its packets
// and its questions are to go (L31).
type Answer struct {
	By      string       `json:"by"` // "DHCP" or "router advertisement"
	From    netip.Addr   `json:"from"`
	Routers []netip.Addr `json:"routers,omitempty"`
	DNS     []netip.Addr `json:"dns,omitempty"`
}

// elsewhere are the routers and resolvers of an answer that are not the box.
func (a Answer) elsewhere(box []netip.Prefix) []netip.Addr {
	return slices.DeleteFunc(append(slices.Clone(a.Routers), a.DNS...), func(to netip.Addr) bool {
		return slices.ContainsFunc(box, func(p netip.Prefix) bool { return p.Addr() == to.WithZone("") }) || to.IsUnspecified()
	})
}

// listenFor is how long answers may take: DHCP servers first look whether an
// address is free (RFC 2131, section 2.2).
const listenFor = 1500 * time.Millisecond

// askAround asks as a new device does and returns who answered, and how many
// questions were sent.
func askAround(name string, six bool) (answers []Answer, asked int, err error) {
	discovered, err := askDHCP(name)
	if err != nil {
		return nil, 0, fmt.Errorf("asking for a DHCP server: %w", err)
	}
	if !six {
		return discovered, 1, nil
	}
	advertised, err := solicitRouters(name)
	if err != nil {
		return nil, 1, fmt.Errorf("asking for routers: %w", err)
	}
	return append(discovered, advertised...), 2, nil
}

// AskAround asks on a household interface of this box, as a new device does, who gives
// addresses and who is a router. What this box itself answers it does not hear, or the
// caller knows by Elsewhere.
func AskAround(name string, six bool) ([]Answer, error) {
	answers, _, err := askAround(name, six)
	return answers, err
}

// Elsewhere are the routers and resolvers of an answer that are none of these addresses.
func (a Answer) Elsewhere(box []netip.Addr) []netip.Addr {
	var own []netip.Prefix
	for _, b := range box {
		own = append(own, netip.PrefixFrom(b.WithZone(""), b.BitLen()))
	}
	return a.elsewhere(own)
}

// Options of DHCP (RFC 2132).
const (
	optRouters = 3
	optDNS     = 6
	optKind    = 53
	optWant    = 55
	optEnd     = 255
)

var dhcpCookie = []byte{99, 130, 83, 99}

// discover is a DHCPDISCOVER that wants to be answered by broadcast (RFC 2131,
// section 2).
func discover(id uint32, mac net.HardwareAddr) []byte {
	m := make([]byte, 236, 300)
	m[0], m[1], m[2] = 1, 1, 6
	binary.BigEndian.PutUint32(m[4:], id)
	m[10] = 0x80
	copy(m[28:], mac)
	m = append(m, dhcpCookie...)
	m = append(m, optKind, 1, 1, optWant, 2, optRouters, optDNS, optEnd)
	return append(m, make([]byte, 300-len(m))...)
}

// offered reads a DHCPOFFER for the question with that number.
func offered(m []byte, id uint32) (a Answer, ok bool) {
	if len(m) < 240 || m[0] != 2 || binary.BigEndian.Uint32(m[4:]) != id || !bytes.Equal(m[236:240], dhcpCookie) {
		return a, false
	}
	a.By = "DHCP"
	for rest := m[240:]; len(rest) >= 2 && rest[0] != optEnd; {
		if rest[0] == 0 { // padding
			rest = rest[1:]
			continue
		}
		length := int(rest[1])
		if len(rest) < 2+length {
			break
		}
		value := rest[2 : 2+length]
		switch rest[0] {
		case optKind:
			ok = length == 1 && value[0] == 2
		case optRouters:
			a.Routers = append(a.Routers, addresses4(value)...)
		case optDNS:
			a.DNS = append(a.DNS, addresses4(value)...)
		}
		rest = rest[2+length:]
	}
	return a, ok
}

func addresses4(value []byte) []netip.Addr {
	var list []netip.Addr
	for ; len(value) >= 4; value = value[4:] {
		list = append(list, netip.AddrFrom4([4]byte(value)))
	}
	return list
}

func askDHCP(name string) ([]Answer, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1), unix.BindToDevice(fd, name),
		unix.Bind(fd, &unix.SockaddrInet4{Port: 68}))
	if err != nil {
		return nil, err
	}
	number := make([]byte, 4)
	if _, err := rand.Read(number); err != nil {
		return nil, err
	}
	id := binary.BigEndian.Uint32(number)
	if err := unix.Sendto(fd, discover(id, i.HardwareAddr), 0,
		&unix.SockaddrInet4{Port: 67, Addr: [4]byte{255, 255, 255, 255}}); err != nil {
		return nil, err
	}
	return collect(fd, func(m []byte) (Answer, bool) { return offered(m, id) })
}

// solicitRouters sends a router solicitation (RFC 4861, section 4.1).
func solicitRouters(name string) ([]Answer, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255), unix.BindToDevice(fd, name))
	if err != nil {
		return nil, err
	}
	all := netip.MustParseAddr("ff02::2").As16()
	if err := unix.Sendto(fd, make133(), 0, &unix.SockaddrInet6{Addr: all, ZoneId: uint32(i.Index)}); err != nil {
		return nil, err
	}
	return collect(fd, advertised)
}

func make133() []byte { return append([]byte{133}, make([]byte, 7)...) } // the kernel fills in the checksum

// advertised reads a router advertisement (RFC 4861, section 4.2) with the
// resolvers in it (RFC 8106, section 5.1). collect fills in who sent it: that
// is the router, if it says so by a lifetime.
func advertised(m []byte) (a Answer, ok bool) {
	if len(m) < 16 || m[0] != 134 {
		return a, false
	}
	a.By = "router advertisement"
	if binary.BigEndian.Uint16(m[6:]) > 0 {
		a.Routers = []netip.Addr{netip.IPv6Unspecified()}
	}
	const recursiveDNS = 25
	for rest := m[16:]; len(rest) >= 8; {
		length := int(rest[1]) * 8
		if length == 0 || len(rest) < length {
			break
		}
		if rest[0] == recursiveDNS {
			for list := rest[8:length]; len(list) >= 16; list = list[16:] {
				a.DNS = append(a.DNS, netip.AddrFrom16([16]byte(list)))
			}
		}
		rest = rest[length:]
	}
	return a, true
}

// collect reads answers until nobody can be expected to send one any more.
func collect(fd int, read func([]byte) (Answer, bool)) ([]Answer, error) {
	timeout := unix.NsecToTimeval(pollEvery.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return nil, err
	}
	var answers []Answer
	buffer := make([]byte, 2048)
	for end := time.Now().Add(listenFor); time.Now().Before(end); {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			continue // the timeout
		}
		a, ok := read(buffer[:n])
		if !ok {
			continue
		}
		a.From = sender(from)
		for i, r := range a.Routers {
			if r == netip.IPv6Unspecified() {
				a.Routers[i] = a.From
			}
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func sender(from unix.Sockaddr) netip.Addr {
	switch s := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr)
	}
	return netip.Addr{}
}

// RouterID is the ID of the result about who else is a router.
const RouterID = "router"

// routerResult is the line about the answers.
func routerResult(answers []Answer, asked int, box []netip.Prefix) Result {
	r := Result{ID: RouterID, Name: "another router or DNS server that the household's DHCP or router advertisements name", Sent: asked}
	for _, a := range answers {
		if other := a.elsewhere(box); len(other) > 0 {
			r.Leaked++
			r.Action = fmt.Sprintf("%s of %s sends devices to %v, past this box: switch it off there, or have it name this box",
				a.By, a.From, other)
		}
	}
	return r
}
