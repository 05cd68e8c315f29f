package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// Each cause for which a box cannot be prepared has a code of its own, and names
// what it is about. Nothing is opened, and no tor is started.
func TestEachCauseHasItsCode(t *testing.T) {
	for code, c := range map[health.Code]struct {
		root  bool // only root can bring it about
		cause func(h *house) (subject string, err error)
	}{
		health.StateInMemory: {false, func(h *house) (string, error) {
			h.Paths.State = "/dev/shm/not/yet"
			return h.Paths.State, nil
		}},
		health.StateNoDirectory: {false, func(h *house) (string, error) {
			return h.Paths.State, errors.Join(os.MkdirAll(filepath.Dir(h.Paths.State), 0o755), os.WriteFile(h.Paths.State, nil, 0o644))
		}},
		health.StateWritable: {false, func(h *house) (string, error) {
			return h.Paths.State, errors.Join(os.MkdirAll(h.Paths.State, 0o755), os.Chmod(h.Paths.State, 0o777))
		}},
		health.StateForeign: {true, func(h *house) (string, error) {
			return h.Paths.State, errors.Join(os.MkdirAll(h.Paths.State, 0o755), os.Chown(h.Paths.State, 65533, 65533))
		}},
		health.StateNotMade: {false, func(h *house) (string, error) {
			onions := filepath.Dir(h.Paths.OnionKeys("x"))
			return onions, errors.Join(os.MkdirAll(h.Paths.State, 0o755), os.WriteFile(onions, nil, 0o644))
		}},
		health.TorShutOut: {true, func(h *house) (string, error) {
			above := filepath.Dir(h.Paths.State)
			return above, errors.Join(os.MkdirAll(above, 0o755), os.Chmod(above, 0o700))
		}},
		health.NetworksUnreadable: {false, func(h *house) (string, error) {
			h.fail["prefixes"] = errBroken
			return "", nil
		}},
		health.RangesUnreadable: {false, func(h *house) (string, error) {
			return h.Paths.StateFile(), os.MkdirAll(h.Paths.StateFile(), 0o755)
		}},
		health.RangesDamaged: {false, func(h *house) (string, error) {
			return h.Paths.StateFile(), errors.Join(os.MkdirAll(h.Paths.State, 0o755),
				os.WriteFile(h.Paths.StateFile(), []byte("{}"), 0o600))
		}},
	} {
		if c.root && os.Getuid() != 0 {
			continue
		}
		h := newHouse(t, nil)
		subject, err := c.cause(h)
		if err != nil {
			t.Fatal(err)
		}
		h.pass(t.Context())
		s := h.Gateway.Status(t.Context())
		i := slices.IndexFunc(s.Findings, func(f health.Finding) bool { return f.Code == code })
		if i < 0 || s.Findings[i].Subject != subject || !code.Household() {
			t.Errorf("%s of %q: %+v", code, subject, s.Findings)
		}
		h.expect(t, "rules closed")
	}
}

// A box whose state cannot be used says so, to everybody who asks for
// something, and writes nothing.
func TestUnusableState(t *testing.T) {
	h := newHouse(t, nil)
	h.Paths.State = "/dev/shm/not/yet"
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if i := slices.IndexFunc(s.Findings, func(f health.Finding) bool { return f.Code == health.StateInMemory }); i < 0 ||
		!strings.Contains(s.Findings[i].Text, "until then the household stays closed, and tor is not started") {
		t.Errorf("findings: %+v", s.Findings)
	}
	h.running(t)
	_, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "photos", Ports: []string{"80=192.168.77.20:8080"}})
	var failure *api.Failure
	if !errors.As(err, &failure) || failure.Usage || !strings.Contains(failure.Error(), "is in memory (tmpfs)") {
		t.Errorf("publish: %v", err)
	}
	if _, err := os.Stat(filepath.Join(h.Paths.OnionDir(), "photos.toml")); err == nil {
		t.Error("the file is there")
	}
	if err := h.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "is in memory (tmpfs)") {
		t.Errorf("reload: %v", err)
	}
}
