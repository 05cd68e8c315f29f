package gateway

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

const (
	aliceOnion  = "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd"
	aliceClient = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"
	bobClient   = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"
	photosFile  = "# the pictures\n[ports]\n80 = '192.168.77.20:8080'\n"
)

func aliceHouse(t *testing.T, photos string) *house {
	t.Helper()
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	if err := os.MkdirAll(h.Paths.PeerDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(t, "peers/alice.toml", "onion = '"+aliceOnion+"'\nclient = '"+aliceClient+"'\n")
	h.running(t)
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// torOnion is what tor was told of an onion.
func (h *house) torOnion(name string) *tor.Onion {
	for _, o := range h.spec().Onions {
		if o.Name == name {
			return &o
		}
	}
	return nil
}

func (h *house) photosFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.Paths.OnionDir(), "photos.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGrantAndRevoke(t *testing.T) {
	h := aliceHouse(t, photosFile)
	ctx := t.Context()
	if o := h.torOnion("photos"); o == nil || o.Clients != nil || o.MaxStreams == 0 {
		t.Fatalf("for everybody: %+v", o)
	}
	// A public onion does not become private by accident, nor a client it has not.
	err := h.onions.GrantClient(ctx, api.GrantRequest{Onion: "photos", Client: "alice"})
	var failure *api.Failure
	if !errors.As(err, &failure) || !failure.Usage || !strings.Contains(failure.Error(), "--private") || h.photosFile(t) != photosFile {
		t.Errorf("granting what is for everybody: %v", err)
	}
	if err := h.onions.GrantClient(ctx, api.GrantRequest{Onion: "photos", Client: "alice", Private: true}); err != nil {
		t.Fatal(err)
	}
	if err := h.onions.GrantClient(ctx, api.GrantRequest{Onion: "photos", Client: "bob:" + bobClient}); err != nil {
		t.Fatal(err)
	}
	if o := h.torOnion("photos"); !slices.Equal(o.Clients, []onion.ClientKey{bobClient, aliceClient}) {
		t.Errorf("two clients: %+v", o)
	}
	want := []api.OnionClient{{Name: "bob", Key: bobClient}, {Name: "alice", Peer: true, Key: aliceClient}}
	if o := h.onionStatus(t, "photos"); !o.Private || !reflect.DeepEqual(o.Clients, want) {
		t.Errorf("status: %+v", o)
	}
	for _, word := range []string{"alice", strings.ToLower(bobClient)} {
		if err := h.onions.RevokeClient(ctx, api.RevokeRequest{Onion: "photos", Client: word}); err != nil {
			t.Fatal(err)
		}
	}
	if o := h.torOnion("photos"); o != nil {
		t.Errorf("for nobody it is published: %+v", o)
	}
	if !slices.Contains(h.codes(t), "onion-for-nobody") || h.onionStatus(t, "photos").Findable() {
		t.Errorf("findings: %v", h.codes(t))
	}
	if text := h.photosFile(t); !strings.HasPrefix(text, "# the pictures\n") {
		t.Errorf("the file is\n%s", text)
	}
	for _, r := range []api.RevokeRequest{{Onion: "photos", Client: "alice"}, {Onion: "blog", Client: "alice"}} {
		if err := h.onions.RevokeClient(ctx, r); !errors.As(err, &failure) || !failure.Usage {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// What would be a mistake for Load leaves the file as it was.
func TestGrantToStrangers(t *testing.T) {
	h := aliceHouse(t, "private = true\n"+photosFile)
	for client, want := range map[string]string{
		"carol":              `no friend is called "carol"`,
		"alice:" + bobClient: `"alice" is the name of a friend`, "x": `no friend is called "x"`, "X": "is no client",
	} {
		err := h.onions.GrantClient(t.Context(), api.GrantRequest{Onion: "photos", Client: client})
		if err == nil || !strings.Contains(err.Error(), want) || h.photosFile(t) != "private = true\n"+photosFile {
			t.Errorf("%s: %v", client, err)
		}
	}
}

// Home is found by all friends, until it is public.
func TestHomeIsForFriends(t *testing.T) {
	h := aliceHouse(t, photosFile)
	h.write(t, "onions/home.toml", "[ports]\n80 = '192.168.77.20:80'\n")
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := h.torOnion("home"); o == nil || !slices.Equal(o.Clients, []onion.ClientKey{aliceClient}) {
		t.Errorf("home: %+v", o)
	}
	if err := os.Remove(filepath.Join(h.Paths.PeerDir(), "alice.toml")); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := h.torOnion("home"); o != nil {
		t.Errorf("home for nobody: %+v", o)
	}
}

func TestPublishPrivate(t *testing.T) {
	h := aliceHouse(t, photosFile)
	o, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "diary", Ports: []string{"80=nas:8080"}, Clients: []string{"alice"}})
	if err != nil || !o.Private || len(o.Clients) != 1 {
		t.Fatalf("Publish = %+v, %v", o, err)
	}
	if spec := h.torOnion("diary"); !slices.Equal(spec.Clients, []onion.ClientKey{aliceClient}) {
		t.Errorf("tor: %+v", spec)
	}
	if _, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "diary", Ports: []string{"80=nas:8080"}}); err == nil {
		t.Error("published again for everybody")
	}
	if _, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "x", Ports: []string{"80=nas:8080"},
		Clients: []string{"?"}}); err == nil {
		t.Error("published for nobody that is")
	}
}

// A device's name is known by its lease, or its file, and nobody else's.
func TestHostsOfTargets(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/a.toml": "[ports]\n80 = 'phone:80'\n81 = 'twin:80'\n82 = 'nobody:80'\n83 = 'known:80'\n",
		"devices/known.toml": "mac = '02:00:00:00:00:10'\n"})
	h.running(t)
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	want := map[string][]netip.Addr{"phone": {netip.MustParseAddr("192.168.77.99")}, "known": {netip.MustParseAddr("192.168.77.10")}}
	if !reflect.DeepEqual(h.served.Hosts, want) {
		t.Errorf("serve was told %v", h.served.Hosts)
	}
}

func (h *house) onionStatus(t *testing.T, name string) api.Onion {
	t.Helper()
	for _, o := range h.Gateway.Status(t.Context()).Onions {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("the status has no onion %q", name)
	return api.Onion{}
}

// TestImportedClients: an onion that another tor published for a few must not
// be for everybody here.
func TestImportedClients(t *testing.T) {
	h := aliceHouse(t, photosFile)
	dir := filepath.Join(h.Paths.OnionKeys("photos"), "authorized_clients")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"carol.auth": "descriptor:x25519:" + bobClient + "\n",
		string(aliceClient) + ".auth": "ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), `clients = ["carol:`+bobClient+`"]`) {
		t.Errorf("Reload = %v", err)
	}
	if o := h.torOnion("photos"); o != nil {
		t.Errorf("it is published: %+v", o)
	}
	h.write(t, "onions/photos.toml", "private = true\nclients = ['carol:"+bobClient+"']\n"+photosFile)
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := h.torOnion("photos"); o == nil || !slices.Equal(o.Clients, []onion.ClientKey{bobClient}) {
		t.Errorf("with its clients in its file: %+v", o)
	}
}
