package feature

import (
	"fmt"
	"net/netip"
	"strings"

	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Desired is everything that tunic wants to be true on the box: one plain value.
type Desired struct {
	Tor       tor.Spec
	NoTor     error    // without what it says tor would do something else than its owner wants, so it is not started
	Fast      tor.Spec // for onions that are not anonymous; wanted only with some
	Rules     rules.Input
	Listeners []supervise.ListenerSpec
	Serve     link.Desired
	Servers   []managed.Spec // in the order of their start

	// Certificates are the directories of certificates that onions have, by the
	// onion's name; the feature that wants them keeps them.
	Certificates map[string]string
}

// EachFamily calls visit for each household interface that exists now and each
// address family.
func (d *Desired) EachFamily(s Scene, visit func(i InterfaceFacts, family string)) {
	for _, i := range s.Facts.Interfaces {
		if i.Index == 0 {
			continue
		}
		visit(i, "4")
		if s.Facts.IPv6 {
			visit(i, "6")
		}
	}
}

// Door is a service of the box for its household.
type Door struct {
	Name     string     // a word in listeners and rules
	Public   uint16     // TCP, that devices dial
	Internal uint16     // where serve accepts
	To       netip.Addr // a virtual address that is this door's alone; zero: any address of the box
	Virtual  bool       // at every virtual address instead
	When     rules.When // whether devices are led there while the household is closed
}

// Door wants a household service: the rule that leads devices to it, and its
// sockets, whose names it returns.
func (d *Desired) Door(s Scene, door Door) (listeners []string) {
	d.Rules.Services = append(d.Rules.Services,
		rules.Service{Name: door.Name, Public: door.Public, Internal: door.Internal, To: door.To, Virtual: door.Virtual, When: door.When})
	d.EachFamily(s, func(i InterfaceFacts, family string) {
		if door.To.IsValid() && door.To.Is4() != (family == "4") {
			return // nobody of this family dials it
		}
		listeners = append(listeners, d.Listen(door.Name, i, "tcp"+family, door.Internal))
	})
	return listeners
}

// Terminator wants the household's way to a server on the box that others have
// written, which serve dials. Listeners and port of b are the door's.
func (d *Desired) Terminator(s Scene, b link.Terminator, door Door) {
	d.May(s.Serve, rules.Way{Protocol: rules.ProtocolTCP, To: b.Server.Addr(), Port: b.Server.Port()})
	b.Listeners, b.Port = d.Door(s, door), door.Public
	d.Serve.Terminators = append(d.Serve.Terminators, b)
}

// May lets one of the daemon's children dial these, beside what it may already, if
// there is such a user.
func (d *Desired) May(child IDs, ways ...rules.Way) {
	if child != (IDs{}) {
		d.Rules.Children = append(d.Rules.Children, rules.Child{UID: child.UID, May: ways})
	}
}

// OnLoopback is the way to a port that is for the box itself.
func OnLoopback(protocol uint8, port uint16) rules.Way {
	return rules.Way{Protocol: protocol, To: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port: port}
}

// LoopbackFamilies are those of the loopback addresses that the kernel has.
func LoopbackFamilies(ipv6 bool) []string {
	if ipv6 {
		return []string{"4", "6"}
	}
	return []string{"4"}
}

// ListenLoopback wishes a socket for the box itself. It is bound to the address,
// not to the interface: by that, IPv6 finds no way back to the box's other addresses.
func (d *Desired) ListenLoopback(what, network string, port uint16) string {
	name, addr := what+"/"+network, netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if strings.HasSuffix(network, "6") {
		addr = netip.IPv6Loopback()
	}
	d.Listeners = append(d.Listeners, supervise.ListenerSpec{Name: name, Network: network, Addr: addr, Port: port})
	return name
}

// Listen wishes one socket and returns its name. The interface's index is part
// of it, so that one that went and came back gets a new socket.
func (d *Desired) Listen(what string, i InterfaceFacts, network string, port uint16) string {
	name := fmt.Sprintf("%s/%s#%d/%s", what, i.Name, i.Index, network)
	d.Listeners = append(d.Listeners, supervise.ListenerSpec{Name: name, Network: network, Interface: i.Name, Port: port})
	return name
}
