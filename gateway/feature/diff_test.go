package feature

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
	"tunic/rules"
)

// before is a state with a bit of everything.
func before() Desired {
	return Desired{
		Tor: tor.Spec{Binary: "tor", Onions: []tor.Onion{{Name: "photos", Address: "aaaa", Dir: "/keys/photos", Ports: []uint16{80}}}},
		Rules: rules.Input{Mode: rules.Lockdown, Interfaces: []string{"br-lan"},
			Carriers: []rules.Carrier{{UID: 107, TransPort: 9240, DNSPort: 9253}},
			Virtual4: netip.MustParsePrefix("10.192.0.0/16"), Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48")},
		Serve: link.Desired{Gopher: &link.Gopher{Root: "/srv"},
			Mail: &link.Mail{Smarthost: &link.Smarthost{Host: "mail.example.org", Password: "geheim-1"}}},
		Servers: []managed.Spec{{Name: "dovecot", Files: []managed.File{{Path: "/etc/passwd", Text: "geheim-1"},
			{Path: "/etc/dovecot.conf", Text: "a\nb\n"}}}},
	}
}

// Each kind of change has its words, and no secret in them.
func TestDiff(t *testing.T) {
	for want, change := range map[string]func(d *Desired){
		"": func(*Desired) {},
		"- serve Gopher Root /srv|+ serve Gopher Root /srv/new": func(d *Desired) { d.Serve.Gopher = &link.Gopher{Root: "/srv/new"} },
		"~ serve Mail Smarthost Password (hidden)":              func(d *Desired) { d.Serve.Mail.Smarthost.Password = "geheim-2" },
		"- server dovecot":        func(d *Desired) { d.Servers = nil },
		"+ server ngircd":         func(d *Desired) { d.Servers = append(d.Servers, managed.Spec{Name: "ngircd", Program: "ngircd"}) },
		"~ server dovecot passwd": func(d *Desired) { d.Servers[0].Files[0].Text = "geheim-2" },
		"~ server dovecot dovecot.conf|+ server dovecot dovecot.conf: c": func(d *Desired) { d.Servers[0].Files[1].Text = "a\nb\nc\n" },
		"~ server dovecot dovecot.conf":                                  func(d *Desired) { d.Servers[0].Files[1].Text = "b\na\n" },
		"! tor is restarted: the way into the network (bridges) changes|+ torrc UseBridges 1|+ torrc UpdateBridgesFromAuthority " +
			"0|+ torrc " +
			"Bridge (not shown)": func(d *Desired) {
			d.Tor.Bridges = []tor.Bridge{{Line: "203.0.113.9:443 geheim"}}
		},
		"+ onion photos is found by the key KEY": func(d *Desired) { d.Tor.Onions[0].Clients = append(d.Tor.Onions[0].Clients, "KEY") },
		"+ the second tor, for onions that are not anonymous|+ onion films has the address bbbb": func(d *Desired) {
			d.Fast = tor.Spec{Binary: "tor", SingleHop: true, Onions: []tor.Onion{{Name: "films", Address: "bbbb", Ports: []uint16{80}}}}
		},
		"+ front photos Host aaaa.onion|+ onion photos port 80 -> endpoint:gopher|+ onion photos port 80 Probe http": func(d *Desired) {
			d.Serve.Fronts = []link.Front{{Onion: "photos", Host: "aaaa.onion", Ports: []link.Port{{Virtual: 80,
				Endpoint: "gopher", Probe: "http"}}}}
		},
		"~ tor: the same lines, in another order": func(d *Desired) { slices.Reverse(d.Tor.Snippets) },
	} {
		now, next := before(), before()
		now.Tor.Snippets = []tor.Snippet{{File: "a.conf", Text: "A 1"}, {File: "b.conf", Text: "B 1"}}
		next.Tor.Snippets = slices.Clone(now.Tor.Snippets)
		change(&next)
		got, err := Diff(now, next)
		if text := strings.Join(got, "|"); err != nil || text != want {
			t.Errorf("%q, want %q, %v", text, want, err)
		}
		if now.Equal(next) != (want == "") {
			t.Errorf("%q: equal %v", want, now.Equal(next))
		}
	}
}

// Rules are compared in their order, and rules that cannot be are an error.
func TestDiffOfRules(t *testing.T) {
	now, next := before(), before()
	next.Rules.Interfaces = []string{"br-two"}
	got, err := Diff(now, next)
	if err != nil || !slices.Contains(got, "+ ip4 nat TUNIC-REDIRECT -i br-two -j TUNIC-LAN") ||
		!slices.Contains(got, "- ip4 nat TUNIC-REDIRECT -i br-lan -j TUNIC-LAN") {
		t.Errorf("%q, %v", got, err)
	}
	now.Tor.TransPort, now.Tor.DataDir = 9240, "/data"
	if all, err := Diff(Desired{}, now); err != nil ||
		!slices.Contains(all, "+ ip4 nat TUNIC-REDIRECT -i br-lan -j TUNIC-LAN") || !slices.Contains(all, "+ server dovecot") {
		t.Errorf("all of it: %q, %v", all, err)
	} else if i := slices.IndexFunc(all, func(l string) bool { return !strings.HasPrefix(l, "+ ") }); i >= 0 {
		t.Errorf("where nothing runs, something is to go: %q", all[i])
	}
	next.Rules = rules.Input{Mode: rules.Open}
	if _, err := Diff(now, next); err == nil || !strings.Contains(next.String(), err.Error()) {
		t.Errorf("rules that cannot be: %v", err)
	}
}
