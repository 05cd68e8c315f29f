package gateway

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/gateway/health"
)

// A device that tor's side has found to have all that it may have is in the rules,
// by its hardware address, until it is not any more, and status says so.
func TestFullDevices(t *testing.T) {
	h := newHouse(t, map[string]string{"tunic.toml": mainFile, "devices/tablet.toml": "mac = \"02:00:00:00:00:10\"\n"})
	const other = "02:00:00:00:07:99"
	for _, full := range [][]string{{"02:00:00:00:00:10", other}, nil} {
		h.set(func() { h.status.Full = full })
		h.pass(t.Context())
		text := h.loaded.String()
		for _, mac := range []string{"02:00:00:00:00:10", other} {
			if got := strings.Count(text, "-A TUNIC-FULL -m mac --mac-source "+mac+" "); got != 2*min(len(full), 1) {
				t.Errorf("%d are full, and %d rules name %s", len(full), got, mac)
			}
		}
		var found []string
		for _, f := range h.Gateway.Status(t.Context()).Findings {
			if f.Code == health.DeviceFull {
				name, _, _ := strings.Cut(strings.TrimPrefix(f.Text, "the device "), " ")
				found = append(found, name)
			}
		}
		if want := []string{"tablet", other}[:len(full)]; !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
	}
}

// A disk that fills up between two passes is found when somebody asks.
func TestDiskFillsUp(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	found := func() bool { return hasCode(h.Gateway.Status(t.Context()).Findings, health.DiskNearlyFull) }
	if found() {
		t.Skip("this machine's own disk is nearly full")
	}
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	defer unix.Unmount(small, 0)
	h.Paths.State = small
	if !found() {
		t.Error("a disk of a megabyte is not nearly full")
	}
}
