package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/rules"
)

// closedHouses are houses whose open rules refuse as much as they can in different
// ways, and one that uses everything.
func closedHouses(t *testing.T) (all []*house) {
	t.Helper()
	servers := map[string]string{"endpoints/smtp.toml": "", "endpoints/irc.toml": "", "endpoints/xmpp.toml": ""}
	for _, own := range []string{"tor", "direct"} {
		for _, policy := range []string{"tor", "onion", "direct", "block"} {
			for _, extras := range []string{"",
				"exceptions = [\"udp://203.0.113.9:51820\", \"esp://198.51.100.0/24\"]\ninbound = [\"tcp/22\"]\n"} {
				for _, endpoints := range []map[string]string{nil, servers} {
					files := map[string]string{"tunic.toml": fmt.Sprintf(
						"[gateway]\nown-traffic = %q\n%s"+
							"[household]\ninterfaces = [\"br-lan\"]\ndefault-policy = %q\n", own, extras, policy),
						"devices/tv.toml": "mac = \"02:00:00:00:00:10\"\npolicy = \"block\"\n"}
					for name, text := range endpoints {
						files[name] = text
					}
					all = append(all, newHouse(t, files))
				}
			}
		}
	}
	rich := richHouse(t) // whose page is there while it is closed too
	rich.set(func() { rich.around = feature.Surroundings{Links: []feature.Link{lan(), wan()}} })
	return append(all, richHouse(t), rich)
}

// flowsOf are first packets of every user of the box and of devices, to every
// kind of place.
func flowsOf(h *house) (all []rules.Flow) {
	r := h.snapshot().desired.Rules
	ports := []uint16{22, 25, 53, 80, 123, 443, 853, 5269, 9240, 9250, 9253, 51820}
	for _, to := range []string{"203.0.113.9", "198.51.100.7", "192.168.77.20", "192.168.77.1", "127.0.0.1", "127.0.0.53",
		r.Virtual4.Addr().Next().String(),
		"2001:db8::7", "fd77::20", "fd77::1", "::1", r.Virtual6.Addr().Next().String(), "100.64.0.1", "10.1.2.3", "192.168.78.20"} {
		addr := netip.MustParseAddr(to)
		for _, protocol := range []string{"tcp", "udp", "50"} {
			for _, port := range ports {
				if protocol == "50" {
					port = 0
				}
				f := rules.Flow{To: netip.AddrPortFrom(addr, port), Protocol: protocol, Out: "eth0", Local: addr.IsLoopback()}
				for _, i := range h.facts.Interfaces {
					for _, own := range i.Addresses {
						if own.Contains(addr) {
							f.Out, f.Local = i.Name, own.Addr() == addr
						}
					}
				}
				for _, ids := range []feature.IDs{{}, h.Users.Tor, h.Users.Serve, h.Users.Mail, h.Users.XMPP, h.Users.IRC,
					h.Users.I2P, {UID: 1000}} {
					own := f
					own.UID = ids.UID
					all = append(all, own)
				}
				for mac, in := range map[string]string{"02:00:00:00:00:10": "br-lan", "02:00:00:00:00:99": "br-lan",
					"02:00:00:00:00:12": "guest"} {
					device := f
					device.In, device.MAC, device.From = in, mac, netip.MustParseAddr("192.168.77.10")
					if addr.Is6() {
						device.From = netip.MustParseAddr("fd77::10")
					}
					all = append(all, device)
				}
			}
		}
	}
	return all
}

// Whatever the open rules refuse, all closed ones refuse: those of a lockdown,
// those at the start and the end of a daemon, and those without a daemon.
func TestClosedRefusesWhatOpenRefuses(t *testing.T) {
	refused := []rules.End{rules.Refused, rules.Dropped}
	tried := 0
	for _, h := range closedHouses(t) {
		h.Users.Serve, h.Users.Mail, h.Users.XMPP, h.Users.IRC, h.Users.Tor.UID = feature.IDs{UID: 109}, feature.IDs{UID: 110},
			feature.IDs{UID: 111}, feature.IDs{UID: 112}, 107
		h.Users.I2P = feature.IDs{UID: 114}
		h.pass(t.Context())
		open := compiled(t, h.snapshot().desired.Rules)
		c, err := config.Load(h.Paths)
		if err != nil {
			t.Fatal(err)
		}
		alone := h.own(desire.Inputs{Scene: feature.Scene{Config: c, Facts: h.facts}})
		h.held = true
		h.pass(t.Context())
		closed := map[string]rules.Ruleset{"in lockdown": h.loaded,
			"without a daemon": compiled(t, desire.Closed(t.Context(), features, alone))}
		if err := h.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		closed["at the end"] = h.loaded
		for _, f := range flowsOf(h) {
			was, err := rules.Explain(open, f)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(refused, was.End) {
				continue
			}
			for when, set := range closed {
				tried++
				if is, err := rules.Explain(set, f); err != nil || !slices.Contains(refused, is.End) {
					t.Fatalf("%+v: open %s, but %s it is %s: %+v, %v\n%s", c.Household, was.End, when, is.End, f, err, is.Steps)
				}
			}
		}
	}
	if tried < 10000 {
		t.Errorf("only %d flows were compared", tried)
	}
}

func compiled(t *testing.T, in rules.Input) rules.Ruleset {
	t.Helper()
	set, err := rules.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
