package onions

import (
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// circuitStreams is how many streams a visitor may have at one time on one
// circuit before tor closes it: four times what the front serves, so that only
// who does not stop when refused loses the circuit.
const circuitStreams = 512

// want wants the onions of both tors, and a front for each.
func want(s feature.Scene, d *feature.Desired, self Self) {
	for _, o := range s.Onions() {
		spec := &d.Tor
		if o.Fast {
			spec = &d.Fast
		}
		t := torOnion(s, o, self)
		spec.Onions = append(spec.Onions, t)
		for _, old := range s.Former[o.Name] { // the same front serves both
			t.Address, t.Dir = string(old), s.Paths.RetiredKeys(o.Name, string(old))
			spec.Onions = append(spec.Onions, t)
		}
		wantFront(s, d, o)
		wantName(s, d, o)
	}
	wantCertificates(s.Config.AllOnions(), d)
	d.May(s.Serve, targets(s.Config.AllOnions())...)
	visitSelf(d, self)
}

// targets are where serve leads visitors.
func targets(list []config.Onion) (ways []rules.Way) {
	for _, o := range list {
		for _, p := range o.Ports {
			switch t := p.Target; {
			case t.Host != "": // where that is changes without the configuration
				ways = append(ways, rules.Way{Protocol: rules.ProtocolTCP, Port: t.Port})
			case t.Addr.IsValid():
				ways = append(ways, rules.Way{Protocol: rules.ProtocolTCP, To: t.Addr.Addr().Unmap().WithZone(""), Port: t.Addr.Port()})
			}
		}
	}
	return ways
}

func torOnion(s feature.Scene, o config.Onion, self Self) tor.Onion {
	t := tor.Onion{Name: o.Name, Address: string(s.Addresses[o.Name]), Dir: s.Paths.OnionKeys(o.Name), Socket: s.Paths.Front(o.Name),
		MaxStreams: circuitStreams, Clients: withSelf(clientKeys(s.Config, o), self),
		Balance: onion.Address(o.Balance)}
	for _, p := range o.Ports {
		t.Ports = append(t.Ports, p.Virtual)
	}
	return t
}

// wantFront wants the socket by which tor hands visitors over, and says where each
// port leads.
func wantFront(s feature.Scene, d *feature.Desired, o config.Onion) {
	f := link.Front{Onion: o.Name, Host: s.Addresses[o.Name].Host(), Listener: "front/" + o.Name}
	if phone, ok := s.Config.PhoneOf(o.Name); ok {
		f.Phone = phone.Name
	}
	for _, old := range s.Former[o.Name] {
		f.Former = append(f.Former, old.Host())
	}
	if o.Balance != "" { // visitors ask for that name
		f.Former = append(f.Former, onion.Address(o.Balance).Host())
	}
	for _, p := range o.Ports {
		kind, guessed := s.Config.ProbeFor(o, p.Virtual)
		f.Ports = append(f.Ports, link.Port{
			Virtual: p.Virtual, Addr: p.Target.Addr, Host: p.Target.Host, HostPort: p.Target.Port, Unix: p.Target.Unix,
			Endpoint: p.Target.Endpoint, Proxy: string(p.Target.Proxy), HTTPHost: p.Target.HTTPHost, Probe: kind, Guessed: guessed})
	}
	d.Serve.Fronts = append(d.Serve.Fronts, f)
	d.Listeners = append(d.Listeners, supervise.ListenerSpec{
		Name: f.Listener, Network: "unix", Path: s.Paths.Front(o.Name), Mode: 0o660, UID: 0, GID: int(s.Tor.GID)})
}

// wantName has the house call an onion NAME.box.home.arpa. The box's own one has the
// name of the box, that of the pages for mail programs is taken, and phones use theirs
// outside.
func wantName(s feature.Scene, d *feature.Desired, o config.Onion) {
	if _, phone := s.Config.PhoneOf(o.Name); !phone && config.NameInHouse(o.Name) != "" && len(o.Ports) > 0 {
		d.Serve.DNS.Own = append(d.Serve.DNS.Own, link.OwnName{Label: o.Name, Onion: link.Key(peer.KeyOf(s.Addresses[o.Name]))})
	}
}

// clientKeys are the keys of those who may find an onion, nil for everybody.
func clientKeys(c *config.Config, o config.Onion) []onion.ClientKey {
	keys := c.ClientKeys(o)
	if keys == nil {
		return nil
	}
	list := make([]onion.ClientKey, len(keys))
	for i, k := range keys {
		list[i] = onion.ClientKey(k)
	}
	return list
}

// visitSelf gives tor the key for the private onions of this box. It comes first:
// nobody else's key for them counts here.
func visitSelf(d *feature.Desired, self Self) {
	if self.Public == "" {
		return
	}
	for _, o := range slices.Concat(d.Tor.Onions, d.Fast.Onions) {
		address := onion.Address(o.Address)
		known := slices.ContainsFunc(d.Tor.Auth, func(a tor.Auth) bool { return a.Onion == address })
		if len(o.Clients) > 0 && !known {
			d.Tor.Auth = append(d.Tor.Auth, tor.Auth{Onion: address, Key: self.Secret})
		}
	}
}
