// Package why says how a connection goes, by the rules that are in force.
package why

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

// System is what the box knows of itself.
type System interface {
	// Addresses are all of the box's own.
	Addresses() ([]netip.Addr, error)
	// Counters says how many packets matched each rule of our chains, by
	// "TABLE CHAIN", in their order there.
	Counters(ctx context.Context, f rules.Family) (map[string][]uint64, error)
	// Via is the interface by which the box reaches an address, and the neighbour that
	// leads there; the zero Addr if it is on the wire itself.
	Via(to netip.Addr) (iface string, by netip.Addr, err error)
}

// Finder finds the device that a person means.
type Finder interface {
	Find(ctx context.Context, word string) (api.Device, error)
}

// Explainer answers the verb Why of api.Devices.
type Explainer struct {
	Host   feature.Host
	Log    *slog.Logger
	System System
	Finder Finder
}

// Why says how a connection goes: by the rules that are in force, one by one, with
// how often each has matched.
func (x Explainer) Why(ctx context.Context, r api.WhyRequest) (api.Why, error) {
	now := x.Host.Now()
	flow, why, err := x.flow(ctx, now, r)
	if err != nil {
		return why, err
	}
	why.State = api.Closed
	if now.Open {
		why.State = api.Open
	}
	e, err := rules.Explain(now.Rules, flow)
	if err != nil {
		return why, err
	}
	why.End, why.Result = string(e.End), resultWords(e, flow, now)
	counts, err := x.System.Counters(ctx, familyOf(flow.To.Addr()))
	if err != nil {
		x.Log.Debug("reading the rules' counters failed", "error", err)
	}
	why.Rules = whyRules(e.Steps, counts)
	return why, nil
}

func familyOf(a netip.Addr) rules.Family {
	if a.Is4() {
		return rules.IPv4
	}
	return rules.IPv6
}

func whyRules(steps []rules.Step, counts map[string][]uint64) []api.WhyRule {
	list := []api.WhyRule{}
	for _, s := range steps {
		w := api.WhyRule{Family: s.Family.String(), Table: s.Table, Chain: s.Chain, Number: s.Number, Rule: s.Rule}
		if c := counts[s.Table+" "+s.Chain]; len(c) >= s.Number {
			w.Packets = &c[s.Number-1]
		}
		list = append(list, w)
	}
	return list
}

// flow makes a packet of a request.
func (x Explainer) flow(ctx context.Context, now feature.Now, r api.WhyRequest) (f rules.Flow, why api.Why, err error) {
	to, err := netip.ParseAddr(r.To)
	if err != nil || to.Zone() != "" {
		return f, why, feature.Usage(fmt.Errorf("%q is not an address", r.To), "example: tunic why 198.51.100.1 --from phone")
	}
	f.To, f.Protocol = netip.AddrPortFrom(to.Unmap(), r.Port), r.Protocol
	why.To = fmt.Sprintf("%s to %s", r.Protocol, to.Unmap())
	if r.Protocol == "tcp" || r.Protocol == "udp" {
		why.To = fmt.Sprintf("%s to %s", r.Protocol, f.To)
	}
	own, err := x.System.Addresses()
	if err != nil {
		return f, why, fmt.Errorf("reading the box's addresses: %w", err)
	}
	f.Local = slices.Contains(own, f.To.Addr()) || f.To.Addr().IsLoopback()
	home := interfaceOf(now.Facts, f.To.Addr())
	f.Out = home
	if r.Own && f.Local {
		f.Out = "lo"
	}
	if r.Own {
		f.UID, f.From = r.UID, addressOf(own, f.To.Addr().Is4())
		why.From = fmt.Sprintf("the box itself (uid %d)", r.UID)
		return f, why, nil
	}
	d, err := x.Finder.Find(ctx, r.Device)
	if a, no := netip.ParseAddr(r.Device); no == nil && a.Is4() == to.Is4() && (err != nil || interfaceOf(now.Facts, a) == "") {
		if far, from, ok, err := x.behind(ctx, now, f, a); ok || err != nil {
			from.To = why.To
			return far, from, err
		}
	}
	if err != nil {
		return f, why, err
	}
	why.From, why.Policy, f.MAC = words(d), d.Policy, d.MAC
	return f, why, deviceFlow(&f, now.Facts, d)
}

// words names a device for people.
func words(d api.Device) string {
	if d.Name == "" {
		return "the device " + d.MAC
	}
	return fmt.Sprintf("%s (%s)", d.Name, d.MAC)
}

// deviceFlow fills in where a device's packet comes from.
func deviceFlow(f *rules.Flow, facts feature.Facts, d api.Device) error {
	for _, text := range d.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Is4() != f.To.Addr().Is4() {
			continue
		}
		if in := interfaceOf(facts, a); in != "" {
			f.From, f.In = a, in
			return nil
		}
	}
	// One that was not seen: any address of the household will do.
	for _, i := range facts.Interfaces {
		for _, p := range i.Addresses {
			if p.Addr().Is4() == f.To.Addr().Is4() {
				f.From, f.In = p.Addr().Next(), i.Name
				return nil
			}
		}
	}
	return feature.Usage(errors.New("the household has no address of that family, so no device sends there"),
		"give an address of the other family")
}

// interfaceOf returns the household interface on whose wire an address is, or "".
func interfaceOf(facts feature.Facts, a netip.Addr) string {
	for _, i := range facts.Interfaces {
		for _, p := range i.Addresses {
			if p.Contains(a) {
				return i.Name
			}
		}
	}
	return ""
}

// addressOf returns an address of the box that is no loopback one.
func addressOf(own []netip.Addr, four bool) netip.Addr {
	for _, a := range own {
		if a.Is4() == four && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return a
		}
	}
	if four {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// resultWords says in words how a connection goes.
func resultWords(e rules.Explanation, f rules.Flow, now feature.Now) string {
	switch e.End {
	case rules.Redirected:
		return portWords(e.Port)
	case rules.Turned:
		return fmt.Sprintf("goes to %s, the DNS server of the network in front of the box, outside Tor (portal)", e.To)
	case rules.Refused:
		if !now.Open {
			return "is refused at once: the household is closed"
		}
		return "is refused at once, and reaches nobody"
	case rules.Dropped:
		return "is dropped without a word"
	}
	return passedWords(e, f, now)
}

func passedWords(e rules.Explanation, f rules.Flow, now feature.Now) string {
	switch {
	case f.Local:
		return "reaches the box itself"
	case f.Out != "" && interfaceOf(now.Facts, f.To.Addr()) != "":
		return "stays in the household"
	case e.Mark == rules.Portal:
		return "leaves the box directly, outside Tor (portal)"
	case f.Own() && f.UID == now.Tor.UID:
		return "leaves the box: it is tor's own connection to a relay"
	case f.Own():
		return "leaves the box directly, outside Tor"
	}
	return fmt.Sprintf("leaves the box directly, outside Tor (%s)", e.Mark)
}

// portWords says who answers on a port of the box.
func portWords(port uint16) string {
	switch port {
	case config.TransPort:
		return "goes through Tor"
	case config.DNSPort:
		return "is a question that Tor answers"
	case config.ServeDNSPort, config.ServeOwnDNSPort:
		return "is a question that the box answers, through Tor"
	case config.ServeClosedDNSPort:
		return "is a question that the box answers for its own name alone, as the household is closed"
	case config.ServePagePort, config.ServePageTLSPort:
		return "reaches the box's own page"
	case config.ServeSocksPort:
		return "reaches the box's SOCKS proxy, and goes on through Tor"
	case config.ServeNTPPort:
		return "is a question for the time that the box answers"
	case config.ServeFriendsPort:
		return "goes through Tor; TLS for a friend's name ends in the box, and another begins from there"
	case config.ServeMetricsPort:
		return "reaches the box's page of numbers"
	case config.ServeGopherPort:
		return "reaches the box's Gopher server"
	}
	return fmt.Sprintf("reaches port %d of the box", port)
}
