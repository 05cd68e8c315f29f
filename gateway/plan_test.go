package gateway

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/feature/irc"
)

// While the household is closed, a plan has what a file changes and nothing
// else: not the hundred rules of the open state.
func TestPlanOfAClosedHousehold(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.set(func() { h.status.Bootstrap = 5 })
	h.running(t)
	p, err := h.Plan(t.Context())
	if err != nil || p.Changes == nil || len(p.Changes) != 0 || // nil were null for scripts
		!strings.HasPrefix(p.Closed, "Tor is connecting: 5 %") {
		t.Errorf("without a change: %q, closed %q, %v", p.Changes, p.Closed, err)
	}
	h.write(t, "devices/tv.toml", "mac = \"02:00:00:00:00:10\"\npolicy = \"direct\"\n")
	if p, err := h.Plan(t.Context()); err != nil || len(p.Changes) != 2 ||
		!slices.Equal(p.Files, []string{"+ devices/tv.toml"}) || !strings.Contains(p.Changes[0], "02:00:00:00:00:10") {
		t.Errorf("with one: %q, %v", p.Changes, err)
	}
	h.set(func() { h.status.Bootstrap = 100 })
	h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil })
	if p, err := h.Plan(t.Context()); err != nil || p.Closed != "" {
		t.Errorf("of an open one: %q, %v", p.Closed, err)
	}
}

// TestWall: status says whether the second wall stands, and a plan that it is
// built again.
func TestWall(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	look := func() (bool, string, []string) {
		t.Helper()
		p, err := h.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := h.Gateway.Status(t.Context())
		return s.Wall.Stands, strings.Join(s.Wall.Wrong, "|"), p.Changes
	}
	if stands, wrong, plan := look(); !stands || wrong != "" || len(plan) > 0 {
		t.Errorf("where it stands: %v, %q, %q", stands, wrong, plan)
	}
	h.set(func() { h.fakes.wall = []string{"ip4 routing policy: rules of the wall are missing"} })
	if stands, wrong, plan := look(); stands || !strings.HasPrefix(wrong, "ip4") || len(plan) != 1 ||
		!strings.Contains(plan[0], "second wall is built again: ip4") {
		t.Errorf("where a half of it is gone: %v, %q, %q", stands, wrong, plan)
	}
	h.set(func() { h.fakes.wall, h.fail["wall"] = nil, errors.New("no answer") })
	if stands, wrong, _ := look(); stands || wrong != "no answer" {
		t.Errorf("where it cannot be looked at: %v, %q", stands, wrong)
	}
}

// Whatever a reload would change is in the plan, and what is secret is not; when
// the plan is empty a reload changes nothing.
func TestPlanShowsAllThatAReloadChanges(t *testing.T) {
	password := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(password, []byte("geheim-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	smtp := "[smarthost]\nserver = \"mail.example.org:465\"\nuser = \"u\"\npassword-file = \"" + password +
		"\"\nfrom = \"me@example.org\"\n"
	h := newHouse(t, map[string]string{"endpoints/irc.toml": "", "endpoints/xmpp.toml": "", "endpoints/smtp.toml": smtp})
	h.running(t)
	store := account.Store{Dir: h.Paths.Accounts()}
	for _, step := range []struct {
		what string
		edit func() error
		want string // in a line of the plan
	}{
		{"nothing", func() error { return nil }, ""},
		{"a greeting of the IRC server", func() error { h.write(t, "endpoints/irc.toml", "motd = \"hello\"\n"); return nil },
			"+ server ngircd motd: hello"},
		{"a limit of mail", func() error { h.write(t, "endpoints/smtp.toml", "max-size = 5\n"+smtp); return nil }, "serve Mail MaxSize"},
		{"the provider's password", func() error { return os.WriteFile(password, []byte("geheim-2\n"), 0o600) },
			"~ serve Mail Smarthost Password (hidden)"},
		{"a server goes", func() error { return os.Remove(filepath.Join(h.Paths.EndpointDir(), "xmpp.toml")) }, "- server prosody"},
		{"a server comes", func() error { h.write(t, "endpoints/xmpp.toml", ""); return nil }, "+ server prosody"},
		{"a domain", func() error {
			h.write(t, "tunic.toml", mainFile+"[[dns.forward]]\ndomain = \"lan\"\nserver = \"192.168.77.20\"\n")
			return nil
		}, "+ serve DNS Forward {Domain lan, Server 192.168.77.20:53}"},
		{"another interface", func() error {
			h.set(func() {
				h.facts.Interfaces = append(slices.Clone(h.facts.Interfaces), feature.InterfaceFacts{Name: "br-two", Index: 7})
			})
			h.write(t, "tunic.toml", "gateway.ntp = false\n[household]\ninterfaces = [\"br-lan\", \"br-two\"]\n")
			return nil
		}, "TUNIC-REDIRECT -i br-two -j TUNIC-LAN"},
		{"a user by a restored file", func() error {
			record, err := aRecord()
			return errors.Join(err, store.Add(account.User{Name: "ann", Role: account.Admin, Record: record}))
		}, "~ server dovecot passwd"},
	} {
		if err := step.edit(); err != nil {
			t.Fatal(err)
		}
		plan, err := h.Plan(t.Context())
		text := strings.Join(plan.Changes, "\n")
		if err != nil || step.want == "" && text != "" || !strings.Contains(text, step.want) {
			t.Errorf("%s: %v\n%s\nwant %s", step.what, err, text, step.want)
		}
		if s, _ := irc.Secrets(h.Paths); strings.Contains(text, "geheim") || strings.Contains(text, s.Salt) ||
			strings.Contains(text, s.Operator) || strings.Contains(text, "SCRAM") {
			t.Errorf("%s: a secret is in\n%s", step.what, text)
		}
		before := h.snapshot().desired
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text == "" && !before.Equal(h.snapshot().desired) {
			t.Errorf("%s: the plan is empty, but the reload changed something", step.what)
		}
		if plan, err := h.Plan(t.Context()); err != nil || len(plan.Changes)+len(plan.Files) > 0 {
			t.Errorf("%s, after the reload: %v\n%s", step.what, err, strings.Join(slices.Concat(plan.Files, plan.Changes), "\n"))
		}
	}
}

// A bridge of another program's becomes the household's by a reload, and is none of it
// after another: plan says so both times, and the rules are of what is configured then,
// not of what was when the box looked around.
func TestABridgeOfTheHousehold(t *testing.T) {
	docker := feature.Link{Name: "docker0", Up: true, Carrier: true, Bridge: true}
	h := newHouse(t, nil)
	h.set(func() {
		h.around = feature.Surroundings{Links: []feature.Link{lan(), wan(), docker}}
		h.facts.Interfaces = append(h.facts.Interfaces, feature.InterfaceFacts{Name: docker.Name, Index: 9,
			Addresses: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}})
	})
	h.running(t)
	both := strings.Replace(mainFile, `["br-lan"]`, `["br-lan", "docker0"]`, 1)
	for _, now := range []struct {
		text    string
		bridges []string
		within  string // what the plan has to say
	}{{both, nil, "- ip4 filter TUNIC-FORWARD -i docker0 -o docker0 -j RETURN"},
		{mainFile, []string{"docker0"}, "+ ip4 filter TUNIC-FORWARD -i docker0 -o docker0 -j RETURN"}} {
		h.write(t, "tunic.toml", now.text)
		plan, err := h.Plan(t.Context())
		if err != nil || !slices.Contains(plan.Changes, now.within) {
			t.Errorf("plan: %v, %d changes, and %q is none of them", err, len(plan.Changes), now.within)
		}
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := h.snapshot(); v.state != api.Open || !slices.Equal(v.desired.Rules.Bridges, now.bridges) {
			t.Errorf("%s (%s), the bridges of others are %q", v.state, v.why, v.desired.Rules.Bridges)
		}
	}
}
