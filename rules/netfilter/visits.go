package netfilter

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Visit is a connection to a server of the box that is open.
type Visit struct {
	Port uint16 // TCP
	From netip.Addr
}

// States of TCP (linux/tcp_states.h).
const (
	tcpEstablished = 1
	tcpListen      = 10
)

// visits lists who is connected to which server of the box, over TCP and from
// another host, each once, and at which ports servers of the box listen for others
// than the box itself.
func visits() (list []Visit, ports []uint16, err error) {
	var sockets []*netlink.Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		of, err := whole(func() ([]*netlink.Socket, error) { return netlink.SocketDiagTCP(family) })
		if err != nil {
			return nil, nil, fmt.Errorf("reading the connections to the box: %w", err)
		}
		sockets = append(sockets, of...)
	}
	serves := make(map[uint16]bool)
	for _, s := range sockets {
		if s.State == tcpListen {
			serves[s.ID.SourcePort] = true
			if at, ok := netip.AddrFromSlice(s.ID.Source); ok && !at.Unmap().IsLoopback() && !slices.Contains(ports, s.ID.SourcePort) {
				ports = append(ports, s.ID.SourcePort)
			}
		}
	}
	for _, s := range sockets {
		from, ok := netip.AddrFromSlice(s.ID.Destination)
		v := Visit{Port: s.ID.SourcePort, From: from.Unmap()}
		if ok && s.State == tcpEstablished && serves[v.Port] && !v.From.IsLoopback() && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list, ports, nil
}
