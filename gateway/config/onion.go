package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// HomeOnion is the onion that every box has, with a file or without.
const HomeOnion = "home"

const portsHint = `name at least one: under [ports], like 80 = "192.168.1.20:8080"`

// onions reads onions/NAME.toml.
func (l *loader) onions(cfg *Config) {
	l.each(l.paths.OnionDir(), func(name string, t *table) {
		o := readOnion(name, t)
		if _, ok := t.values["as"].(string); ok {
			l.useProfile(o.As, t, cfg)
		}
		for _, port := range o.Ports {
			if p := l.checkTarget(port.Target, cfg); p != nil {
				t.doc.add(portPath(port.Virtual), p)
			}
		}
		checkClients(o, cfg.Peers, t)
		l.checkCertificates(o, cfg.Onions, t)
		if p := o.checkI2P(cfg.I2P.Enabled); p != nil {
			t.add("i2p", p)
		}
		if o.Fast && len(cfg.Tor.Bridges) > 0 {
			t.add("anonymous", problemf("leave it out, or the bridges",
				"an onion that is not anonymous connects to relays directly, and [tor] bridges say that nothing may"))
		}
		cfg.Onions = append(cfg.Onions, o)
	})
}

// readOnion reads what one file says, without a look at other files.
func readOnion(name string, t *table) Onion {
	o := Onion{Name: name}
	if name == StrangersOnion {
		t.doc.add("", problemf("give the file another name", "tunic itself publishes an onion called %s for mail", name))
	}
	o.As, _ = t.text("as")
	if o.Public, _ = t.boolean("public"); t.has("public") && name != HomeOnion {
		t.add("public", problemf("leave it out",
			"only %s.toml has it: every other onion is for all who know its address unless it says private = true", HomeOnion))
	}
	readClients(&o, t)
	if anonymous, ok := t.boolean("anonymous"); ok {
		o.Fast = !anonymous
	}
	o.I2P, _ = t.boolean("i2p")
	readBalance(&o, t)
	readCertificates(&o, t)
	ports := t.table("ports")
	for _, key := range slices.Sorted(maps.Keys(ports.values)) {
		port, p := parsePort(key)
		if p != nil {
			ports.add(key, p)
		}
		target, ok := readTarget(ports, key)
		if !ok || p != nil {
			continue
		}
		o.Ports = append(o.Ports, Port{Virtual: port, Target: target})
	}
	slices.SortFunc(o.Ports, func(a, b Port) int { return cmp.Compare(a.Virtual, b.Virtual) })
	if len(ports.values) == 0 && name != HomeOnion && !(t.has("ports") && ports.values == nil) {
		t.missing("ports", portsHint)
	}
	return o
}

// readBalance reads the address at which Onionbalance has this onion stand for
// several boxes. What it publishes knows no client authorization, so a private
// onion behind it would be found by nobody; and home is one box's own address.
func readBalance(o *Onion, t *table) {
	text, ok := t.text("balance")
	if !ok {
		return
	}
	switch address, p := parseKey(text); {
	case p != nil:
		t.add("balance", p)
	case o.Name == HomeOnion:
		t.add("balance", problemf("write it to another onion's file", "%s is the address of this box alone", HomeOnion))
	case o.Private:
		t.add("balance", problemf("leave out one of the two", "Onionbalance publishes for everybody who knows the address, "+
			"and this onion is private"))
	default:
		o.Balance = address
	}
}

func portPath(virtual uint16) string { return join("ports", fmt.Sprint(virtual)) }

// checkTarget refuses targets that would let visitors into tunic itself. It
// cannot know all addresses of the box, so tunic's own port numbers are
// refused with every address.
func (l *loader) checkTarget(t Target, cfg *Config) *problem {
	switch port := max(t.Addr.Port(), t.Port); {
	case t.Endpoint != "":
		return l.checkEndpoint(t.Endpoint)
	case t.Host != "" && checkTargetName(t.Host, cfg.DNS.Forward) != nil:
		return checkTargetName(t.Host, cfg.DNS.Forward)
	case t.Unix != "":
		if contains(l.paths.Run, t.Unix) {
			return problemf("", "%s is tunic's own: it would let every visitor control the box", t.Unix)
		}
	case (t.Addr.Addr().IsLoopback() || t.Host != "") && port == cfg.Socks.Port, port == ServeSocksPort, port == SocksPort:
		return problemf("", "would give every visitor your SOCKS port: they would browse in your name")
	case slices.Contains(internalPorts(), port):
		return problemf("if this is another program's, have it listen on another port", "port %d is one of tunic's own", port)
	}
	return nil
}

func (l *loader) checkEndpoint(name string) *problem {
	switch {
	case name == ircName, name == xmppName:
		return problemf("leave it out", "the endpoint %q is at %s alone, by itself", name, HomeOnion)
	case slices.Contains(l.handed, name):
		return problemf("name that server here too", "the endpoint %q is handed over to another server", name)
	case slices.Contains(l.served, name):
		return nil
	case slices.Contains(knownEndpoints, name):
		return problemf("write the file "+l.paths.EndpointDir()+"/"+name+".toml", "the endpoint %q is not set up", name)
	default:
		return problemf("there is: "+strings.Join(knownEndpoints, ", "), "tunic has no endpoint called %q", name)
	}
}
