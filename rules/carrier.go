package rules

import (
	"errors"
	"fmt"
)

// Carrier is a network that carries what may not leave in clear, by the process
// on the box that speaks with it. The first of an [Input] is Tor: what devices
// and the box send, and no rule says another thing of, goes to its ports. The
// others stand beside it: their process may leave the box, and nobody can dial
// their ports past what leads there.
type Carrier struct {
	UID       uint32 // of the process: its packets may leave the box. 0: not known yet, in lockdown alone, and nobody counts as it
	TransPort uint16 // for TCP, on all addresses; 0: none
	DNSPort   uint16 // for questions on UDP, on both loopbacks; 0: none
	UDP       UDP    // what the process may send beside TCP
}

// UDP is what a carrier's process may send beside TCP. tor itself needs nothing;
// the programs of some bridges' transports run under its uid, and do.
type UDP uint8

const (
	NoUDP    UDP = iota
	NamesUDP     // questions to a DNS server: the transport dials a host by its name
	AnyUDP       // to anywhere: snowflake speaks WebRTC with whoever it is sent to
)

// tor is the carrier that takes what no other rule is about. Input.validate has
// seen that it is there.
func (in Input) tor() Carrier { return in.Carriers[0] }

// carriers lets the processes of the carriers out.
func (c compiler) carriers(chain *Chain) {
	for _, k := range c.Carriers {
		if k.UID == 0 {
			continue
		}
		chain.add("-p tcp -m owner --uid-owner %d -j RETURN", k.UID)
		switch k.UDP {
		case NamesUDP:
			chain.add("-p udp -m udp --dport %d -m owner --uid-owner %d -j RETURN", dnsPort, k.UID)
		case AnyUDP:
			c.keepApart(chain, k)
			chain.add("-p udp -m owner --uid-owner %d -j RETURN", k.UID)
		}
	}
}

// keepApart refuses a carrier that may send any datagram the DNSPorts of the
// others: see carriersDNS, which stands below.
func (c compiler) keepApart(chain *Chain, k Carrier) {
	for _, other := range c.Carriers {
		if other.UID != k.UID && other.DNSPort != 0 {
			chain.add("-o lo -p udp -m udp --dport %d -m owner --uid-owner %d -j %s", other.DNSPort, k.UID, chainRefuse)
		}
	}
}

// carriersPorts are closed to whoever was not led there.
func (c compiler) carriersPorts(chain *Chain) {
	for _, k := range c.Carriers {
		if k.TransPort != 0 {
			chain.add("-p tcp -m tcp --dport %d -g %s", k.TransPort, chainClosed)
		}
		if k.DNSPort != 0 {
			chain.add("-p udp -m udp --dport %d -g %s", k.DNSPort, chainClosed)
		}
	}
}

// validateCarriers checks that the first has both ports, and that no two share
// what tells them apart.
func (in Input) validateCarriers() error {
	if len(in.Carriers) == 0 || in.tor().TransPort == 0 || in.tor().DNSPort == 0 {
		return errors.New("tor's TransPort and DNSPort must be known")
	}
	var errs []error
	uids, ports := make(map[uint32]bool), make(map[uint16]bool)
	for _, k := range in.Carriers {
		switch {
		case k.UID == 0 && in.Mode != Lockdown:
			errs = append(errs, errors.New("tor, and each carrier beside it, must run as a user of its own, not as root"))
		case k.UID != 0 && uids[k.UID]:
			errs = append(errs, fmt.Errorf("two carriers run as the user %d: each must have one of its own", k.UID))
		}
		if k.UDP > AnyUDP {
			errs = append(errs, fmt.Errorf("the carrier of user %d has no possible UDP (%d)", k.UID, k.UDP))
		}
		if ports[k.TransPort] || ports[k.DNSPort] {
			errs = append(errs, fmt.Errorf("the carrier of user %d wants a port that is taken: %d, %d", k.UID, k.TransPort, k.DNSPort))
		}
		uids[k.UID] = true
		for _, port := range k.ports() {
			ports[port] = true
		}
	}
	return errors.Join(errs...)
}

// ports are those that the carrier has.
func (k Carrier) ports() (list []uint16) {
	for _, port := range []uint16{k.TransPort, k.DNSPort} {
		if port != 0 {
			list = append(list, port)
		}
	}
	return list
}
