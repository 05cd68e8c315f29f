package i2p

import (
	"context"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/rules"
)

// scene is of a box with I2P and one onion that is published there.
func scene(t *testing.T) feature.Scene {
	p := config.NewPaths(t.TempDir())
	if err := os.MkdirAll(p.State, 0o755); err != nil {
		t.Fatal(err)
	}
	me := feature.IDs{UID: uint32(max(os.Getuid(), 1)), GID: uint32(max(os.Getgid(), 1))}
	port := config.Port{Virtual: 80, Target: config.Target{Addr: netip.MustParseAddrPort("192.168.77.20:8080")}}
	return feature.Scene{Paths: p, ChildIDs: feature.ChildIDs{I2P: me, Serve: feature.IDs{UID: 109}},
		Config: &config.Config{I2P: config.I2P{Enabled: true, Lines: []config.Line{{Key: "netid", Value: "77"}}},
			Onions: []config.Onion{{Name: "photos", I2P: true, Ports: []config.Port{port}}, {Name: "films", Ports: []config.Port{port}}}},
		Addresses: map[string]onion.Address{"photos": "x", "films": "y"},
		Facts:     feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}},
		Ranges: feature.Ranges{Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
			Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48")}}
}

// wanted is what is wanted in a scene, and what was found in it.
func wanted(s feature.Scene) (d feature.Desired, r feature.Report) {
	d.Serve.Fronts = []link.Front{{Onion: "films", Ports: []link.Port{{Virtual: 80}}}, {Onion: "photos", Ports: []link.Port{{Virtual: 80}}}}
	Feature{}.Look(context.Background(), &s, &r).Add(s, &d)
	return d, r
}

// Without [i2p] nothing is wanted and nothing is written, whatever onions say.
func TestOff(t *testing.T) {
	s := scene(t)
	s.Config.I2P.Enabled = false
	d, r := wanted(s)
	left, _ := filepath.Glob(s.Paths.State + "/*")
	if len(d.Servers)+len(d.Rules.Networks)+len(d.Rules.Children)+len(d.Listeners)+len(r.Findings)+len(left) > 0 ||
		d.Serve.I2P != nil || d.Serve.DNS.I2P.IsValid() || d.Serve.Fronts[1].I2P != nil {
		t.Errorf("%+v, %v, %q", d, r.Findings, left)
	}
}

// i2pd may dial tor and the listeners of what is published, and nothing else.
func TestI2PDMayDialTorAlone(t *testing.T) {
	s := scene(t)
	d, r := wanted(s)
	if len(d.Servers) != 1 || len(r.Findings) > 0 || d.Servers[0].UID != s.I2P.UID {
		t.Fatalf("%+v, %v", d.Servers, r.Findings)
	}
	for _, c := range d.Rules.Children {
		for _, w := range c.May {
			own := w.To.IsLoopback() && (w.Port == config.SocksPort || w.Port == config.FrontI2PPort)
			if c.UID == s.I2P.UID && (!own || w.Protocol != rules.ProtocolTCP) {
				t.Errorf("i2pd may dial %+v", w)
			}
		}
	}
	if !slices.Equal(d.Rules.Networks, []rules.Network{{Range: netip.MustParsePrefix("10.193.0.0/16"), Port: config.ServeI2PPort}}) ||
		d.Serve.DNS.I2P != d.Rules.Networks[0].Range || !slices.Equal(d.Serve.I2P.Listeners, []string{"i2p/br-lan#4/tcp4"}) {
		t.Errorf("%+v, %+v, %+v", d.Rules.Networks, d.Serve.DNS.I2P, d.Serve.I2P)
	}
	if len(d.Rules.Carriers) > 0 {
		t.Errorf("packets may leave: %+v", d.Rules.Carriers)
	}
}

// What says i2p = true, and nothing else, is published; its keys are made once, for i2pd
// alone, and a plan makes none.
func TestPublish(t *testing.T) {
	s := scene(t)
	s.Foreseen = true
	ahead, _ := wanted(s)
	if left, _ := filepath.Glob(s.Paths.State + "/*"); len(left) > 0 || ahead.Serve.Fronts[1].I2P.Host != feature.ToBeMade {
		t.Errorf("a plan made %q, and wants %+v", left, ahead.Serve.Fronts[1].I2P)
	}
	s.Foreseen = false
	d, r := wanted(s)
	again, _ := wanted(s)
	f := d.Serve.Fronts[1].I2P
	if len(r.Findings) > 0 || d.Serve.Fronts[0].I2P != nil || f == nil || !strings.HasSuffix(f.Host, ".b32.i2p") || !d.Equal(again) {
		t.Fatalf("%v, %+v", r.Findings, d.Serve.Fronts)
	}
	info, err := os.Stat(filepath.Join(s.Paths.I2PKeys(), "photos.dat"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the keys: %v, %v", info, err)
	}
	if info, err := os.Stat(s.Paths.I2PKeys()); err != nil || info.Mode() != fs.ModeDir|0o710 {
		t.Errorf("their directory: %v, %v", info, err)
	}
	tunnels := d.Servers[0].Files[1].Text
	for _, l := range d.Listeners {
		if l.Name == f.Ports[0].Listener && (!l.Addr.IsLoopback() || !strings.Contains(tunnels, "host = "+l.Addr.String()+"\n")) {
			t.Errorf("%+v; i2pd has\n%s", l, tunnels)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Paths.I2PKeys(), "photos.dat"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, r = wanted(s)
	if d.Serve.Fronts[1].I2P != nil || len(r.Findings) != 1 || r.Findings[0].Code != health.I2PUnusable ||
		r.Findings[0].Subject != "photos" {
		t.Errorf("with damaged keys: %+v, %v", d.Serve.Fronts[1].I2P, r.Findings)
	}
}

// That AppArmor stands in the way is said, with what to do, until the owner has done it.
func TestConfined(t *testing.T) {
	s := scene(t)
	for _, tc := range []struct {
		file, text string
		want       bool
	}{
		{profile, "profile i2pd", false}, {apparmorOn, "N\n", false}, {apparmorOn, "Y\n", true},
		{ownersProfile, "# nothing\n", true}, {ownersProfile, s.Paths.I2P() + "/** rwk,\n", false},
	} {
		path := filepath.Join(s.Paths.Root, tc.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tc.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, r := wanted(s)
		if (len(r.Findings) == 1) != tc.want || tc.want && (r.Findings[0].Code != health.I2PConfined ||
			!strings.Contains(r.Findings[0].Text, s.Paths.I2P()+"/** rwk,")) {
			t.Errorf("%s has %q: %v", tc.file, tc.text, r.Findings)
		}
	}
}

// Where a port leads is the same whatever else is published.
func TestPlace(t *testing.T) {
	taken := make(map[netip.Addr]bool)
	one := place("photos", 80, taken)
	if next := place("photos", 80, taken); next == one || !netip.MustParsePrefix("127.64.0.0/10").Contains(one) {
		t.Errorf("%v, %v", one, next)
	}
	if again := place("photos", 80, map[netip.Addr]bool{}); again != one {
		t.Errorf("%v, then %v", one, again)
	}
}

// Without its user there is no I2P, which is said with the line that makes it.
func TestNoUser(t *testing.T) {
	s := scene(t)
	s.I2P = feature.IDs{}
	d, r := wanted(s)
	if len(d.Servers) > 0 || d.Serve.DNS.I2P.IsValid() || len(r.Findings) != 1 || r.Findings[0].Code != health.ServerMissing ||
		!strings.Contains(r.Findings[0].Text, "useradd") {
		t.Errorf("%+v, %v", d.Servers, r.Findings)
	}
}

// The range is apart from what is there, wherever that is.
func TestRange(t *testing.T) {
	for _, tc := range []struct {
		virtual, want string
		local         []string
	}{
		{"10.192.0.0/16", "10.193.0.0/16", nil},
		{"10.255.0.0/16", "10.128.0.0/16", nil},
		{"10.192.0.0/16", "10.195.0.0/16", []string{"10.193.7.0/24", "10.194.0.0/16", "0.0.0.0/0"}},
		{"10.192.0.0/16", "10.128.0.0/16", []string{"10.192.0.0/10"}},
		{"10.192.0.0/16", "", []string{"10.0.0.0/8"}},
		{"", "", nil},
	} {
		var local []netip.Prefix
		for _, l := range tc.local {
			local = append(local, netip.MustParsePrefix(l))
		}
		var r feature.Ranges
		if tc.virtual != "" {
			r.Virtual4 = netip.MustParsePrefix(tc.virtual)
		}
		if got, ok := Range(r, local); ok != (tc.want != "") || ok && got.String() != tc.want {
			t.Errorf("%s, %q: %v, %v", tc.virtual, tc.local, got, ok)
		}
	}
}

// The range is apart from what the configuration names as the household's, also while no
// interface leads there.
func TestRangeIsApartFromPrefixes(t *testing.T) {
	s := scene(t)
	s.Config.Household.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.193.4.0/24")}
	d, r := wanted(s)
	want := []rules.Network{{Range: netip.MustParsePrefix("10.194.0.0/16"), Port: config.ServeI2PPort}}
	if len(r.Findings) > 0 || !slices.Equal(d.Rules.Networks, want) {
		t.Errorf("%+v, %v", d.Rules.Networks, r.Findings)
	}
}
