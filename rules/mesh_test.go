package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// from is a device's packet with another source, from another interface.
func from(f Flow, in, source string) Flow {
	f.In, f.From, f.MAC = in, netip.MustParseAddr(source), macDirect
	if in == "ygg0" { // a tun has no hardware addresses
		f.MAC = ""
	}
	return f
}

// Of a mesh, and of what is behind a device, what is named is the household's; every
// other source is dropped, on its way out and on its way to the box's ports. That it is
// the source that decides is seen with the whole mesh in its place.
func TestSourcesOfAMesh(t *testing.T) {
	set := mustCompile(t, scenarios()["open-mesh"])
	web, udp := device(macDirect, "tcp", "198.51.100.1:443"), device(macDirect, "udp", "198.51.100.1:443")
	ping := device(macDirect, "icmp", "198.51.100.1:0")
	web6, udp6 := device(macTor, "tcp", "[2001:db8:5::1]:443"), device(macTor, "udp", "[2001:db8:5::1]:443")
	for name, c := range map[string]struct {
		flow Flow
		end  End
	}{
		"behind a device that may go direct": {from(web, "br-lan", "10.99.0.2"), Passed},
		"the network beside":                 {from(web, "br-lan", "10.99.1.2"), Dropped},
		"its UDP":                            {from(udp, "br-lan", "10.98.0.2"), Dropped},
		"its ping":                           {from(ping, "br-lan", "10.0.0.2"), Dropped},
		"our host of the mesh":               {from(web6, "ygg0", "201:db8:1::5"), Redirected},
		"its UDP over IPv6":                  {from(udp6, "ygg0", "201:db8:1::5"), Refused},
		"another host of the mesh":           {from(web6, "ygg0", "201:db8:1::6"), Dropped},
		"another host's UDP":                 {from(udp6, "ygg0", "202:db8::1"), Dropped},
	} {
		e, err := Explain(set, c.flow)
		if err != nil || e.End != c.end {
			t.Errorf("%s: %s, %v; want %s\n%v", name, e.End, err, c.end, e.Steps)
		}
		if c.end != Dropped {
			continue
		}
		if e, err := Explain(widened(set), c.flow); err != nil || e.End == Dropped {
			t.Errorf("%s: dropped for another reason than its source (%v)\n%v", name, err, e.Steps)
		}
	}
}

// The box's own ports, of which tunic knows nothing, are there for the household's in a
// mesh, open and closed, and not for the rest of it.
func TestPortsOfTheBoxInAMesh(t *testing.T) {
	ssh := local(device("", "tcp", "[203:db8::1]:22"))
	for _, name := range []string{"open-mesh", "lockdown-mesh"} {
		in := scenarios()[name]
		unchecked := in
		unchecked.Checked = nil
		for source, c := range map[string]struct {
			in   string
			rule Input
			end  End
		}{
			"201:db8:1::5": {"ygg0", in, Passed},
			"201:db8:1::6": {"ygg0", in, Dropped},
			"202:db8::1":   {"ygg0", unchecked, Passed}, // what the check is there for
			"fd77:1::10":   {"br-lan", in, Passed},
			"fe80::10":     {"br-lan", in, Passed},
		} {
			if e, err := Explain(mustCompile(t, c.rule), from(ssh, c.in, source)); err != nil || e.End != c.end {
				t.Errorf("%s, %s by %s: %s, want %s (%v)\n%v", name, source, c.in, e.End, c.end, err, e.Steps)
			}
		}
	}
}

// widened is a ruleset in which the mesh, and the network around that behind the
// device, are the household's as a whole.
func widened(set Ruleset) Ruleset {
	wide := strings.NewReplacer("10.99.0.0/24", "10.0.0.0/8", "201:db8:1::5/128", "200::/7")
	set.Tables = slices.Clone(set.Tables)
	for i, t := range set.Tables {
		set.Tables[i].Chains = slices.Clone(t.Chains)
		for k, c := range t.Chains {
			rules := slices.Clone(c.Rules)
			for n := range rules {
				rules[n] = wide.Replace(rules[n])
			}
			set.Tables[i].Chains[k].Rules = rules
		}
	}
	return set
}
