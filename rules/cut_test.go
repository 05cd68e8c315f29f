package rules

import (
	"net/netip"
	"strings"
	"testing"
)

// lost says for each mark which of some devices lose their connections with it.
func lost(cuts []Cut, macs map[string]string) string {
	var words []string
	for _, c := range cuts {
		word := c.Mark.String()
		for _, name := range []string{"a", "b", "other"} {
			if !c.Spares(macs[name]) {
				word += " " + name
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func TestCuts(t *testing.T) {
	const a, b = "02:00:00:00:00:01", "02:00:00:00:00:02"
	macs := map[string]string{"a": a, "b": b, "other": "02:00:00:00:00:0f"}
	with := func(def Policy, devices ...Device) Input { return Input{Default: def, Devices: devices} }
	bypass := func(def Policy, bypasses ...Bypass) Input { return Input{Default: def, Bypasses: bypasses} }
	bank, bankForA := Bypass{Domains: []string{"bank.example"}}, Bypass{Domains: []string{"bank.example"}, MACs: []string{a}}
	wider := Bypass{Domains: []string{"bank.example", "game.example"}, MACs: []string{a}}
	overTor := Input{Default: Tor, OverTor: true}
	blocked := Input{Default: Tor, OverTor: true, Devices: []Device{{a, Block}}}
	cases := []struct {
		name          string
		before, after Input
		want          string
	}{
		{"same", with(Direct), with(Direct), ""},
		{"looser", with(Tor), with(Direct), ""},
		{"default stricter", with(Direct), with(Tor), "onion a b other, direct a b other"},
		{"direct to onion: its DNS was in clear", with(Direct), with(Onion), "direct a b other"},
		{"onion to tor", with(Onion), with(Tor), "onion a b other, direct a b other"},
		{"tor to block", with(Tor), with(Block), "tor a b other, onion a b other, direct a b other"},
		{"device stricter", with(Direct, Device{a, Direct}), with(Direct, Device{a, Onion}), "direct a"},
		{"device forgotten", with(Tor, Device{a, Direct}), with(Tor), "onion a, direct a"},
		{"device new", with(Direct), with(Direct, Device{a, Tor}), "onion a, direct a"},
		{"device pinned, default stricter", with(Direct, Device{a, Direct}), with(Onion, Device{a, Direct}), "direct b other"},
		{"one stricter, one looser", with(Tor, Device{a, Direct}, Device{b, Tor}), with(Tor, Device{a, Onion}, Device{b, Direct}),
			"direct a"},
		{"unknown before", Input{}, with(Direct), "onion a b other, direct a b other, portal a b other"},

		{"bypass new", bypass(Tor), bypass(Tor, bank), ""},
		{"bypass gone", bypass(Tor, bankForA), bypass(Tor), "direct a"},
		{"bypass wider", bypass(Tor, bankForA), bypass(Tor, wider), ""},
		{"bypass narrower", bypass(Tor, wider), bypass(Tor, bankForA), "direct a"},
		{"bypass no longer for all", bypass(Tor, bank), bypass(Tor, bankForA), "direct b other"},
		{"bypass now for all", bypass(Tor, bankForA), bypass(Tor, bank), ""},
		{"bypass gone for what is direct now", bypass(Tor, bank), with(Direct), ""},
		{"bypass gone for what always was", with(Tor, Device{a, Direct}), with(Tor, Device{a, Direct}), ""},

		{"Tor over Tor forbidden", overTor, with(Tor), "direct a b other"},
		{"Tor over Tor allowed", with(Tor), overTor, ""},
		{"Tor over Tor, a device blocked", overTor, blocked, "tor a, onion a, direct a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := lost(Cuts(c.before, c.after), macs); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	before, after := bypassing(), bypassing()
	after.Grants = nil
	if got := Cuts(before, after); got != nil {
		t.Errorf("a grant that has ended cuts %v: its connections may go on", got)
	}
	before = scenarios()["open-over-tor"]
	after = before
	after.Passes = nil
	if got := Cuts(before, after); got != nil {
		t.Errorf("a relay that is gone cuts %v", got)
	}
}

func TestPortalCuts(t *testing.T) {
	macs := map[string]string{"a": macTor, "b": macGuest, "other": macDirect}
	page := Guest{MAC: macTor}
	narrow := Guest{MAC: macTor, To: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/24")}}
	other := Guest{MAC: macGuest}
	cases := []struct {
		name          string
		before, after Input
		want          string
	}{
		{"opened", guestHouse(), guestHouse(page), ""},
		{"closed", guestHouse(page), guestHouse(), "portal a"},
		{"one of two closed", guestHouse(page, other), guestHouse(other), "portal a"},
		{"the same", guestHouse(page), guestHouse(page), ""},
		{"narrower", guestHouse(page), guestHouse(narrow), "portal a"},
		{"wider", guestHouse(narrow), guestHouse(page), ""},
		{"another device", guestHouse(page), guestHouse(other), "portal a"},
	}
	for _, c := range cases {
		if got := lost(PortalCuts(c.before, c.after), macs); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := lost(Cuts(c.before, c.after), macs); got != c.want {
			t.Errorf("%s, with everything else: %q, want %q", c.name, got, c.want)
		}
	}
}
