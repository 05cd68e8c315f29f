package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"tunic/gateway/box"
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
			return h.Paths.StateFile(), errors.Join(os.MkdirAll(h.Paths.State, 0o755), os.WriteFile(h.Paths.StateFile(), []byte("{}"), 0o600))
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

// What only a disk, or a full neighbourhood, brings about.
func TestCodesOfDisksAndRanges(t *testing.T) {
	for want, err := range map[health.Code]error{health.DiskFull: syscall.ENOSPC, health.DiskReadOnly: syscall.EROFS, health.RangesUnwritable: syscall.EIO} {
		if got := writing(fmt.Errorf("writing: %w", &fs.PathError{Op: "write", Path: "/x", Err: err}), health.RangesUnwritable); got != want {
			t.Errorf("%v is %s, not %s", err, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "no", "state.json")
	for want, local := range map[health.Code][]netip.Prefix{health.RangesUnwritable: nil, health.NoRange: {netip.MustParsePrefix("10.128.0.0/9")}} {
		_, err := box.LoadRanges(path, local)
		if u, ok := errors.AsType[*unusable](err); !ok || u.code != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if u, ok := errors.AsType[*unusable](checkPassage("/not/there", IDs{})); !ok || u.code != health.StateUnreadable {
		t.Errorf("a way that is not there: %+v", u)
	}
}
