// Package leaks says for each kind of traffic that a device can send where it would go
// now: it looks whether the rules in the kernel are those that it computes with, and
// follows a first packet of each kind through them, for each device. Nothing is sent.
//
// It proves less than `tunic leaktest`, which sends packets and watches the uplinks: that
// the kernel does what its rules say is taken for granted, and packets in mid-stream,
// fragments and sources that are not the household's are not followed.
package leaks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

// System says what the kernel has.
type System interface {
	// Verify says what of a ruleset is not in the kernel as it has to be.
	Verify(ctx context.Context, r rules.Ruleset) ([]string, error)
	// Wall says what is wrong with the second wall (decision 44).
	Wall() ([]string, error)
}

// Tester follows traffic.
type Tester struct {
	Host    feature.Host
	System  System
	Devices func(ctx context.Context) ([]api.Device, error)
}

// class is a kind of traffic, by the first packet of a connection.
type class struct {
	id       string
	protocol string // "" is "icmp", or over IPv6 "ipv6-icmp"
	port     uint16
	only4    bool
}

// classes are those of `tunic leaktest` that begin with a packet of their own, in its order.
var classes = [...]class{
	{"tcp", "tcp", 80, false}, {"udp", "udp", 4500, false}, {"quic", "udp", 443, false}, {"ntp", "udp", 123, false},
	{"stun", "udp", 3478, false}, {"dns", "udp", 53, false}, {"dns-tcp", "tcp", 53, false}, {"doq", "udp", 853, false},
	{"dot", "tcp", 853, false}, {"ping", "", 0, false}, {"6in4", "41", 0, true}, {"gre", "47", 0, false}, {"esp", "50", 0, false},
	{"sctp", "132", 0, false}, {"vpn", "udp", 51820, false}, {"bittorrent", "udp", 6881, false}, {"ipip", "4", 0, false},
	{"protocol", "253", 0, false},
}

// IDs are those of all kinds that are followed.
func IDs() (list []string) {
	for _, c := range classes {
		list = append(list, c.id)
	}
	return list
}

// Destinations that belong to nobody: TEST-NET-1 (RFC 5737) and the newer
// documentation prefix (RFC 9637).
var destinations = [...]netip.Addr{netip.MustParseAddr("192.0.2.16"), netip.MustParseAddr("3fff:fed:7a1::10")}

// stranger is a device that nobody has seen.
const stranger = "02:00:5e:00:53:fe"

// Leaks follows all kinds of traffic of all devices, and of one that nobody knows.
func (t Tester) Leaks(ctx context.Context) (l api.Leaks, err error) {
	devices, err := t.Devices(ctx)
	if err != nil {
		return l, err
	}
	err = t.Host.Do(ctx, func(ctx context.Context) error { // while no rules are loaded
		l, err = t.leaks(ctx, devices)
		return err
	})
	return l, err
}

func (t Tester) leaks(ctx context.Context, devices []api.Device) (l api.Leaks, err error) {
	now := t.Host.Now()
	devices = append(slices.Clone(devices), api.Device{MAC: stranger, Policy: string(now.Config.Household.DefaultPolicy)})
	l = api.Leaks{At: time.Now(), Open: now.Open, Classes: []api.LeakClass{}}
	if l.Rules, err = t.System.Verify(ctx, now.Rules); err != nil {
		return l, fmt.Errorf("reading the rules in the kernel: %w", err)
	}
	if l.Wall, err = t.System.Wall(); err != nil {
		return l, fmt.Errorf("reading the second wall: %w", err)
	}
	for _, c := range classes {
		one := api.LeakClass{ID: c.id, Leaks: []string{}}
		for _, d := range devices {
			end, err := follow(now, c, d)
			if err != nil {
				return l, err
			}
			count(&one, d, end)
		}
		l.Classes = append(l.Classes, one)
	}
	return l, nil
}

// end is where traffic goes; a later one is worse.
type end int

const (
	none     end = iota // no packet of the kind can be sent
	stopped             // it reaches nobody
	answered            // the box answers it
	tor                 // it goes through Tor
	allowed             // it leaves outside Tor, by a mark that permits that
	leaves              // it leaves
)

func count(c *api.LeakClass, d api.Device, e end) {
	may := d.Policy == string(config.PolicyDirect) || d.Policy == string(config.PolicyOnion)
	switch {
	case e == leaves && !may:
		name := d.Name
		if name == "" {
			name = d.MAC
		}
		c.Leaks = append(c.Leaks, name)
	case e == leaves, e == allowed:
		c.Outside++
	case e == tor:
		c.Tor++
	case e == answered:
		c.Answered++
	case e == stopped:
		c.Stopped++
	}
}

// follow is the worst that happens to a device's packet, from each interface where the
// device may be and over each family that it has there.
func follow(now feature.Now, c class, d api.Device) (worst end, err error) {
	for _, to := range destinations {
		if c.only4 && to.Is6() {
			continue
		}
		for _, i := range now.Facts.Interfaces {
			from := source(i, d, to.Is4())
			if !from.IsValid() {
				continue
			}
			f := rules.Flow{In: i.Name, MAC: d.MAC, From: from, To: netip.AddrPortFrom(to, c.port), Protocol: c.protocol}
			if c.protocol == "" {
				f.Protocol = map[bool]string{true: "icmp", false: "ipv6-icmp"}[to.Is4()]
			}
			e, err := rules.Explain(now.Rules, f)
			if err != nil {
				return worst, fmt.Errorf("following %s: %w", c.id, err)
			}
			worst = max(worst, endOf(e))
		}
	}
	return worst, nil
}

// source is the address of a device on an interface, or any there; none where the
// interface has no network of that family.
func source(i feature.InterfaceFacts, d api.Device, four bool) (any netip.Addr) {
	for _, p := range i.Addresses {
		if p.Addr().Is4() != four {
			continue
		}
		for _, text := range d.Addresses {
			if a, err := netip.ParseAddr(text); err == nil && p.Contains(a) {
				return a
			}
		}
		any = p.Addr().Next()
	}
	return any
}

func endOf(e rules.Explanation) end {
	switch {
	case e.End == rules.Passed && e.Mark == rules.Portal, e.End == rules.Turned:
		return allowed
	case e.End == rules.Passed:
		return leaves
	case e.End == rules.Redirected && e.Port == config.TransPort:
		return tor
	case e.End == rules.Redirected:
		return answered
	}
	return stopped
}
