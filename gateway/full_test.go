package gateway

import (
	"slices"
	"strings"
	"testing"

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
