package gateway

import (
	"os"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
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
	in := inputs()
	self, err := loadSelf(config.NewPaths(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	in.Self = self
	photos := onion.Address("ddhfiu5x4e5xzu3lmzzcbjr5mq7kbrtcxnsrcoo5fiuxfylnqx3rliad")
	in.Addresses = map[string]onion.Address{"photos": photos, "nobody": "bbbb"}
	in.Config.Onions[0].Private = true
	in.Config.Onions[0].Clients = []config.Client{{Key: clientOfPhotos}}
	nobody := in.Config.Onions[0]
	nobody.Name, nobody.Clients = "nobody", nil
	in.Config.Onions = append(in.Config.Onions, nobody)
	d := desire(in)
	if len(d.Tor.Onions) != 1 || !slices.Equal(d.Tor.Onions[0].Clients, []onion.ClientKey{clientOfPhotos, self.Public}) {
		t.Fatalf("published: %+v", d.Tor.Onions)
	}
	if want := []tor.Auth{{Onion: photos, Key: self.Secret}}; !slices.Equal(d.Tor.Auth, want) {
		t.Errorf("the box visits %+v", d.Tor.Auth)
	}
	other, err := onion.NewClientSecret()
	if err != nil {
		t.Fatal(err)
	}
	in.Friends.Visits = []peer.Visit{{Onion: photos, Key: other}}
	if again := desire(in); !slices.Equal(again.Tor.Auth, d.Tor.Auth) {
		t.Errorf("somebody else's key for an own onion counts: %+v", again.Tor.Auth)
	}
	in.Friends.Visits = nil
	v := view{config: in.Config, desired: d, self: self.Public, addresses: in.Addresses}
	if watched(v)["photos"].locked {
		t.Error("the box does not call an onion that it may visit")
	}
	known := clients(in.Config, in.Config.Onions[0])
	if list := invited(v, "photos", known, v.self); len(list) != 0 {
		t.Errorf("the box itself is shown as a client: %+v", list)
	}
	in.Config.Onions[0].Private, in.Config.Onions[0].Clients = false, nil
	if d := desire(in); d.Tor.Onions[0].Clients != nil || d.Tor.Auth != nil {
		t.Errorf("an onion for everybody: %+v, %+v", d.Tor.Onions, d.Tor.Auth)
	}
	in.Config.Onions[0].Fast, in.Config.Onions[0].Private, in.Config.Onions[0].Clients = true, true, []config.Client{{Key: clientOfPhotos}}
	if d := desire(in); len(d.Fast.Onions[0].Clients) != 2 || len(d.Tor.Auth) != 1 {
		t.Errorf("one that is not anonymous: %+v, %+v", d.Fast.Onions, d.Tor.Auth)
	}
}
