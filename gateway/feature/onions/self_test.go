package onions

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

const clientOfPhotos = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"

func TestTheBoxKeepsItsOwnKey(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	self, err := loadSelf(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadSelf(p)
	if err != nil || again != self || self.Public == "" {
		t.Errorf("%v, another key the second time: %v", err, again != self)
	}
	if info, err := os.Stat(p.SelfKey()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	if err := os.WriteFile(p.SelfKey(), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSelf(p); err == nil || !strings.Contains(err.Error(), p.SelfKey()) {
		t.Errorf("a torn file: %v", err)
	}
}

// The box finds the private onions that somebody may find, and no other: one
// without clients stays unpublished.
func TestTheBoxFindsItsOwnPrivateOnions(t *testing.T) {
	self, err := loadSelf(config.NewPaths(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	photos := onion.Address("ddhfiu5x4e5xzu3lmzzcbjr5mq7kbrtcxnsrcoo5fiuxfylnqx3rliad")
	ports := []config.Port{{Virtual: 80, Target: config.Target{Addr: netip.MustParseAddrPort("192.168.77.20:8080")}}}
	o := config.Onion{Name: "photos", Ports: ports, Private: true, Clients: []config.Client{{Key: clientOfPhotos}}}
	wanted := func(o config.Onion) (config.Config, feature.Desired) {
		c := config.Config{Onions: []config.Onion{o, {Name: "nobody", Ports: ports, Private: true}}}
		s := feature.Scene{Config: &c, Addresses: map[string]onion.Address{"photos": photos, "nobody": "bbbb"}}
		var d feature.Desired
		want(s, &d, self)
		return c, d
	}
	c, d := wanted(o)
	if len(d.Tor.Onions) != 1 || !slices.Equal(d.Tor.Onions[0].Clients, []onion.ClientKey{clientOfPhotos, self.Public}) {
		t.Fatalf("published: %+v", d.Tor.Onions)
	}
	if want := []tor.Auth{{Onion: photos, Key: self.Secret}}; !slices.Equal(d.Tor.Auth, want) {
		t.Errorf("the box visits %+v", d.Tor.Auth)
	}
	if list := invited(&c, o, clients(&c, o)); len(list) != 0 {
		t.Errorf("the box itself is shown as a client: %+v", list)
	}
	if _, d := wanted(config.Onion{Name: "photos", Ports: ports}); d.Tor.Onions[0].Clients != nil || d.Tor.Auth != nil {
		t.Errorf("an onion for everybody: %+v, %+v", d.Tor.Onions, d.Tor.Auth)
	}
	o.Fast = true
	if _, d := wanted(o); len(d.Fast.Onions[0].Clients) != 2 || len(d.Tor.Auth) != 1 {
		t.Errorf("one that is not anonymous: %+v, %+v", d.Fast.Onions, d.Tor.Auth)
	}
}

// Who may find a home that is for everybody is nobody in particular.
func TestAPublicHomeHasNoClients(t *testing.T) {
	c := &config.Config{Peers: []config.Peer{{Name: "bob", ClientKey: clientOfPhotos}}}
	for public, want := range map[bool]int{true: 0, false: 1} {
		if list := clients(c, config.Onion{Name: config.HomeOnion, Public: public}); len(list) != want {
			t.Errorf("public %v: %+v", public, list)
		}
	}
}
