package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/desire"
)

// A mistake anywhere in the files keeps publish and unpublish from changing
// any, also one that its owner wrote by hand and never reloaded.
func TestAMistakeElsewhereKeepsEveryFile(t *testing.T) {
	const byHand = "# the family's pictures\n" + photos
	for name, verb := range map[string]func(h *house) error{
		"publish the same": func(h *house) error {
			_, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "photos", Ports: []string{"80=192.168.77.20:8080"}})
			return err
		},
		"publish another": func(h *house) error {
			_, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "other", Ports: []string{"80=192.168.77.20:8080"}})
			return err
		},
		"unpublish": func(h *house) error {
			return h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "photos"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, nil)
			h.running(t)
			h.write(t, "onions/photos.toml", byHand)
			h.write(t, "devices/tv.toml", "mac = 7\n")
			var f *api.Failure
			if err := verb(h); !errors.As(err, &f) || !f.Usage {
				t.Errorf("got %v, want an error of usage", err)
			}
			if text, err := os.ReadFile(filepath.Join(h.Paths.OnionDir(), "photos.toml")); err != nil || string(text) != byHand {
				t.Errorf("photos.toml is %q, %v", text, err)
			}
			if _, err := os.Stat(filepath.Join(h.Paths.OnionDir(), "other.toml")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("other.toml: %v", err)
			}
		})
	}
}

// Without a daemon the plan is all of the open rules, and makes no file.
func TestPlanAloneOnAFreshBox(t *testing.T) {
	h := newHouse(t, nil)
	if err := os.RemoveAll(h.Paths.State); err != nil {
		t.Fatal(err)
	}
	p, err := desire.Plan(t.Context(), h.Kernel, features, h.own(desire.Inputs{}))
	if err != nil || p.Running || len(p.Changes) < 20 {
		t.Errorf("PlanAlone = %d changes, running %v, %v", len(p.Changes), p.Running, err)
	}
	if _, err := os.Stat(h.Paths.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the plan made the state directory: %v", err)
	}
}
