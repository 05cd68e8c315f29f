package gateway

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/feature/onions"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

// onionAddresses are what tor was told to publish.
func (h *house) onionAddresses() []string {
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	var list []string
	for _, o := range h.torSpec.Onions {
		list = append(list, o.Address+".onion")
	}
	return list
}

// Both addresses are published until the time is over, and then one; a daemon
// that was started in between knows that too.
func TestRotate(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	now := time.Now()
	h.onions.Now = func() time.Time { return now }
	h.pass(t.Context())
	before := h.onionAddresses()
	stop := h.running(t)
	o, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Old) != 1 || o.Old[0].Address != before[0] || o.Address == before[0] || !o.Old[0].Until.Equal(now.Add(24*time.Hour)) {
		t.Errorf("rotated to %+v, was %s", o, before[0])
	}
	if got := h.onionAddresses(); !slices.Equal(got, []string{o.Address, before[0]}) {
		t.Errorf("published: %v", got)
	}
	if first, second := h.torSpec.Onions[0], h.torSpec.Onions[1]; first.Socket != second.Socket || first.Dir == second.Dir {
		t.Errorf("published from %+v", h.torSpec.Onions)
	}

	stop()
	next := &house{Gateway: New(h.Options, h.snapshot().config), fakes: h.fakes} // as after a restart
	next.furnish()
	next.onions.Now = func() time.Time { return now }
	next.pass(t.Context())
	if got := h.onionAddresses(); len(got) != 2 {
		t.Errorf("after a restart: %v", got)
	}
	now = now.Add(-365 * 24 * time.Hour) // a box without a battery
	next.pass(t.Context())
	if got := h.onionAddresses(); len(got) != 2 {
		t.Errorf("with a clock that was set back: %v", got)
	}
	now = now.Add(366 * 24 * time.Hour)
	next.pass(t.Context())
	if got := h.onionAddresses(); !slices.Equal(got, []string{o.Address}) {
		t.Errorf("after the time: %v", got)
	}
	if _, err := os.Stat(filepath.Join(h.Paths.RetiredKeys("photos", strings.TrimSuffix(before[0], ".onion")),
		"hs_ed25519_secret_key")); err != nil {
		t.Errorf("the old key: %v", err)
	}
}

func TestRotateRefuses(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	before := h.onionAddresses()
	for name, c := range map[string]struct {
		r    api.RotateRequest
		want string
	}{
		"nobody": {api.RotateRequest{Name: "nobody"}, `no onion is called "nobody"`},
		"path":   {api.RotateRequest{Name: "../photos"}, "no onion is called"},
		"past":   {api.RotateRequest{Name: "photos", Keep: -1}, "cannot be kept"},
		"ages":   {api.RotateRequest{Name: "photos", Keep: onions.MaxKeep + 1}, "cannot be kept"},
		"home":   {api.RotateRequest{Name: "home"}, "new identity"},
	} {
		_, err := h.onions.Rotate(t.Context(), c.r)
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := h.onionAddresses(); !slices.Equal(got, before) {
		t.Errorf("published: %v, before: %v", got, before)
	}
}

// A power cut between the note and the move leaves the address as it was.
func TestRotateCutShort(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.pass(t.Context())
	before := h.onionAddresses()
	address := h.snapshot().in.Addresses["photos"]
	note, err := json.Marshal([]onions.OldAddress{{Onion: "photos", Address: address, Span: feature.NewSpan(time.Now(), time.Hour)}})
	if err := errors.Join(err, os.WriteFile(filepath.Join(h.Paths.State, "rotations.json"), note, 0o600)); err != nil {
		t.Fatal(err)
	}
	h.furnish()
	h.pass(t.Context())
	if got := h.onionAddresses(); !slices.Equal(got, before) || len(h.codes(t)) > 0 && slices.Contains(h.codes(t), "old-address-unusable") {
		t.Errorf("published: %v, before: %v", got, before)
	}
}

// Where the directory cannot be moved, the address stays and nothing is noted.
func TestRotateThatCannotMove(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	address := h.snapshot().in.Addresses["photos"]
	blocked := h.Paths.RetiredKeys("photos", string(address))
	if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour}); err == nil {
		t.Fatal("no error")
	}
	noted, _ := os.ReadFile(filepath.Join(h.Paths.State, "rotations.json"))
	if strings.Contains(string(noted), string(address)) || onion.Hostname(h.Paths.OnionKeys("photos")) != address.Host() {
		t.Errorf("noted: %s", noted)
	}
}

// ownKeys has keys belong to tor's user: as root to another one, else to us.
func (h *house) ownKeys() {
	if uid := os.Getuid(); uid != 0 {
		h.Users.Tor.UID, h.onions.Owner.UID = uint32(uid), uint32(uid)
	}
	h.onions.Ring = func() onions.Round { return ring.Round() }
}

func foreignKeys(t *testing.T) onion.Identity {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "foreign")
	if _, err := onion.EnsureKeys(dir, os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	id, err := onion.ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// An imported key is the address of what is published by its name.
func TestImport(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.ownKeys()
	h.running(t)
	id := foreignKeys(t)
	request := api.ImportRequest{Name: "blog", Secret: id.Secret}
	for range 2 { // the same again is no mistake
		if done, err := h.onions.Import(t.Context(), request); err != nil || done.Address != id.Address.Host() {
			t.Fatalf("imported %+v, %v", done, err)
		}
	}
	o, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "blog", Ports: []string{"80=192.168.77.20:80"}})
	if err != nil || o.Address != id.Address.Host() {
		t.Errorf("published %+v, %v", o, err)
	}
	for want, r := range map[string]api.ImportRequest{
		"has other keys already": {Name: "photos", Secret: foreignKeys(t).Secret},
		"keys that are here":     {Name: "again", Secret: id.Secret},
		"not a valid name":       {Name: "../x", Secret: id.Secret},
		"bytes, not 64":          {Name: "short", Secret: id.Secret[:63]},
	} {
		_, err := h.onions.Import(t.Context(), r)
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// An address that an onion had before is not imported for another one.
func TestImportOfARetiredAddress(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.ownKeys()
	h.running(t)
	id, err := onion.ReadIdentity(h.Paths.OnionKeys("photos"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.onions.Import(t.Context(), api.ImportRequest{Name: "again", Secret: id.Secret}); err == nil {
		t.Error("a retired address was imported")
	}
}

func TestForgetKeys(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	if _, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "home", ForgetKey: true}); err == nil {
		t.Error("home was forgotten")
	}
	for i := range 2 {
		err := h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "photos", ForgetKey: true})
		if (err == nil) != (i == 0) {
			t.Errorf("the time number %d: %v", i+1, err)
		}
	}
	for _, dir := range []string{h.Paths.OnionKeys("photos"), filepath.Dir(h.Paths.RetiredKeys("photos", "x"))} {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if got := h.onionAddresses(); len(got) != 0 {
		t.Errorf("published: %v", got)
	}
	// Kept keys of an onion that is not published any more can be forgotten too.
	if _, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "blog", Ports: []string{"80=192.168.77.20:80"}}); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "blog"}),
		h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "blog", ForgetKey: true}))
	if err != nil {
		t.Error(err)
	}
}

// A status says of each address whether visitors find it.
func TestStatusShowsBothAddresses(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	old := h.snapshot().in.Addresses["photos"]
	if _, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	h.set(func() { h.status.Onions = map[string]tor.Descriptor{string(old): {Out: true, Uploads: 3}} })
	o, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"})
	if err != nil || o.Published || len(o.Old) != 1 || !o.Old[0].Published {
		t.Errorf("status %+v, %v", o, err)
	}
}
