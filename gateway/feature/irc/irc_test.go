package irc

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/rules"
)

// scene is of a box with an IRC server and two users.
func scene(t *testing.T) feature.Scene {
	p := config.NewPaths(t.TempDir())
	if err := os.MkdirAll(p.State, 0o755); err != nil {
		t.Fatal(err)
	}
	return feature.Scene{Paths: p, ChildIDs: feature.ChildIDs{IRC: feature.IDs{UID: 112}},
		Config: &config.Config{Endpoints: []config.Endpoint{{Name: "irc"}}},
		Facts:  feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}},
		Users:  []account.User{{Name: "ann", Role: account.Admin}, {Name: "bob", Role: account.Member}}}
}

// wanted is what is wanted in a scene, and what was found in it.
func wanted(t *testing.T, s feature.Scene) (d feature.Desired, r feature.Report) {
	t.Helper()
	Feature{}.Look(t.Context(), &s, &r).Add(s, &d)
	return d, r
}

// The server's secrets are made once; a plan makes none, and a server is wanted in
// it as it will be.
func TestServer(t *testing.T) {
	s := scene(t)
	s.Foreseen = true
	ahead, _ := wanted(t, s)
	if left, _ := filepath.Glob(s.Paths.State + "/*"); len(left) > 0 || len(ahead.Servers) != 1 {
		t.Errorf("a plan made %v, and wants %d servers", left, len(ahead.Servers))
	}
	if f, ok := secondOf(Secrets(s.Paths)).(*api.Failure); !ok || !f.Usage {
		t.Errorf("before they are made: %v", f)
	}
	s.Foreseen = false
	d, r := wanted(t, s)
	secrets, err := Secrets(s.Paths)
	if len(d.Servers) != 1 || len(r.Findings) > 0 || err != nil || secrets.Salt == feature.ToBeMade {
		t.Fatalf("%d servers, %v, %v", len(d.Servers), r.Findings, err)
	}
	text := settings(d)
	if !strings.Contains(text, "CloakHostSalt = "+secrets.Salt+"\n") || !strings.Contains(text, "Name = ann\n") ||
		strings.Contains(text, "bob") {
		t.Errorf("its configuration is\n%s", text)
	}
	if again, _ := wanted(t, s); settings(again) != text {
		t.Error("other secrets are made")
	}
	doors := []rules.Service{{Name: "irc", Public: 6667, Internal: config.ServeIRCPort},
		{Name: "ircs", Public: 6697, Internal: config.ServeIRCTLSPort}}
	if !slices.Equal(d.Rules.Services, doors) || len(d.Listeners) != 4 {
		t.Errorf("%+v, %+v", d.Rules.Services, d.Listeners)
	}
}

// settings is ngIRCd's own file.
func settings(d feature.Desired) string {
	for _, f := range d.Servers[0].Files {
		if filepath.Base(f.Path) == "ngircd.conf" {
			return f.Text
		}
	}
	return ""
}

func secondOf[T any](_ T, err error) error { return err }

// Without its user or with damaged secrets there is no server, which is said.
func TestNoServer(t *testing.T) {
	nobody, damaged := scene(t), scene(t)
	nobody.IRC = feature.IDs{}
	if err := os.WriteFile(damaged.Paths.IRCSecrets(), []byte(`{"Salt":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for code, s := range map[health.Code]feature.Scene{health.ServerMissing: nobody, health.IRCUnusable: damaged} {
		d, r := wanted(t, s)
		if len(d.Servers)+len(d.Rules.Services)+len(d.Listeners) > 0 || len(r.Findings) != 1 ||
			r.Findings[0].Code != code || r.Findings[0].Subject != "ngircd" {
			t.Errorf("%s: %+v, %v", code, d.Servers, r.Findings)
		}
	}
}

// Who comes to ngIRCd by an onion, home or another, has some of its places, and not
// for hours; who comes to something else is not bound.
func TestVisitorsAreBound(t *testing.T) {
	for _, endpoints := range [][]config.Endpoint{nil, {{Name: "irc"}}} {
		s := scene(t)
		s.Config.Endpoints = endpoints
		d := feature.Desired{Serve: link.Desired{Fronts: []link.Front{{Onion: "home", Ports: []link.Port{
			{Virtual: 6667, Addr: netip.MustParseAddrPort("127.0.0.1:9467")},
			{Virtual: 80, Addr: netip.MustParseAddrPort("192.168.77.20:9467")}}}}}}
		Feature{}.Look(t.Context(), &s, new(feature.Report)).Add(s, &d)
		ports := d.Serve.Fronts[0].Ports
		if p := ports[0]; p.Patience != 20*time.Second || p.Places != (link.Places{Each: 10, Total: 240}) {
			t.Errorf("ngIRCd's visitors: %+v", p)
		}
		if p := ports[1]; p.Patience != 0 || p.Places != (link.Places{}) {
			t.Errorf("another's visitors: %+v", p)
		}
	}
}
