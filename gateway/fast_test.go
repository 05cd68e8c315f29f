package gateway

import (
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/feature/entry"
	"tunic/gateway/tor"
)

const fastPhotos = "anonymous = false\n" + photos

// The second tor is there while an onion needs it, and an onion is never in
// both.
func TestFastTorComesAndGoes(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos, "onions/blog.toml": photos})
	h.pass(t.Context())
	h.took()
	change := func(text, want string) {
		t.Helper()
		h.write(t, "onions/photos.toml", text)
		if err := h.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		var steps []string
		for _, step := range strings.Split(h.took(), ", ") {
			if what, _, _ := strings.Cut(step, " "); slices.Contains([]string{"tor", "fast", "rest"}, what) {
				steps = append(steps, step)
			}
		}
		if got := strings.Join(steps, ", "); got != want {
			t.Errorf("did %s, want %s", got, want)
		}
	}
	change(fastPhotos, "tor 1, fast 1")
	change(fastPhotos+"# again\n", "")
	change(photos, "rest, tor 2")
	h.write(t, "onions/blog.toml", fastPhotos)
	change(fastPhotos, "tor 0, fast 2")
	change(photos, "fast 1, tor 1")
	h.write(t, "onions/blog.toml", "anonymous = false\nprivate = true\n"+photos)
	change(photos, "rest")
}

// Where tor does not let go of an onion, the fast one does not get it.
func TestFastTorWaitsForTor(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.pass(t.Context())
	h.set(func() { h.fail["tor"] = errBroken })
	h.write(t, "onions/photos.toml", fastPhotos)
	if err := h.reload(t.Context()); err == nil {
		t.Error("no error")
	}
	if len(h.fastSpec.Onions) != 0 {
		t.Errorf("both publish: %+v", h.fastSpec.Onions)
	}
	h.set(func() { delete(h.fail, "tor") })
	h.pass(t.Context())
	if len(h.fastSpec.Onions) != 1 || len(h.torSpec.Onions) != 0 {
		t.Errorf("fast %+v, tor %+v", h.fastSpec.Onions, h.torSpec.Onions)
	}
}

// Whatever happens to the fast tor closes nothing.
func TestFastTorClosesNothing(t *testing.T) {
	for name, breakIt := range map[string]func(*fakes){
		"refuses": func(b *fakes) { b.fail["fast"] = errBroken },
		"is down": func(b *fakes) { b.fast = tor.Status{LastError: "killed"} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, map[string]string{"onions/photos.toml": fastPhotos})
			h.set(func() { breakIt(h.fakes) })
			h.pass(t.Context())
			if !h.opened || mode(h.loaded) != "open" {
				t.Error("the household is closed")
			}
			if codes := h.codes(t); !slices.Contains(codes, "fast-tor-down") {
				t.Errorf("findings %v", codes)
			}
		})
	}
}

func TestFastStatus(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/blog.toml": photos})
	h.running(t)
	if s := h.Gateway.Status(t.Context()); s.FastTor != nil || !s.Onions[0].Anonymous {
		t.Errorf("without a fast onion: %+v", s.FastTor)
	}
	o, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "films", Ports: []string{"80=192.168.77.20:80"}, Fast: true})
	if err != nil || o.Anonymous {
		t.Fatalf("published %+v, %v", o, err)
	}
	h.set(func() {
		h.fast = tor.Status{Running: true, Bootstrap: 100, Version: "0.4.9.11",
			Onions: map[string]tor.Descriptor{strings.TrimSuffix(o.Address, ".onion"): {Out: true, Uploads: 2}}}
	})
	s := h.Gateway.Status(t.Context())
	i := slices.IndexFunc(s.Onions, func(o api.Onion) bool { return o.Name == "films" })
	if s.FastTor == nil || !s.FastTor.Running || !s.Onions[i].Published || s.Onions[i].Uploads != 2 {
		t.Errorf("status %+v, %+v", s.FastTor, s.Onions[i])
	}
	plan, err := h.Plan(t.Context())
	if err != nil || len(plan.Changes) != 0 {
		t.Errorf("plan %v, %v", plan.Changes, err)
	}
	h.write(t, "onions/films.toml", photos)
	if plan, err := h.Plan(t.Context()); err != nil ||
		!slices.Contains(plan.Changes, "- the second tor, for onions that are not anonymous") {
		t.Errorf("plan %v, %v", plan.Changes, err)
	}
}

// Bridges say that nothing connects to relays directly.
func TestFastAndBridges(t *testing.T) {
	h := newHouse(t, nil)
	h.write(t, "onions/photos.toml", fastPhotos)
	h.write(t, "torrc.d/own.conf", "UseBridges 1\nBridge 203.0.113.1:443\n")
	c, err := feature.Load(h.Paths)
	if err != nil {
		t.Fatal(err)
	}
	if err := entry.CheckSnippets(h.Paths, c); err == nil || !strings.Contains(err.Error(), "own.conf: bridges, beside the onion photos") {
		t.Errorf("bridges in torrc.d: %v", err)
	}
	h.write(t, "torrc.d/own.conf", "")
	h.write(t, "tunic.toml", mainFile+"[tor]\nbridges = [\"203.0.113.1:443 0123456789012345678901234567890123456789\"]\n")
	if _, err := feature.Load(h.Paths); err == nil || !strings.Contains(err.Error(), "onions/photos.toml:1: anonymous") {
		t.Errorf("bridges: %v", err)
	}
}
