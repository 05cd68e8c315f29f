package resolver

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// LookupHome asks the server of the domain and nobody else, and believes it
// only about the house.
func TestLookupHome(t *testing.T) {
	lan := listenUpstream(t, &upstream{strict: under("lan."), dig: torNames(
		"nas.lan. 20 A 192.168.77.20", "nas.lan. 5 AAAA fd77::20", "nas.lan. 60 A 93.184.216.34",
		"away.lan. 60 A 93.184.216.34", "box.lan. 60 A 127.0.0.1", "link.lan. 60 AAAA fe80::1", "all.lan. 60 A 224.0.0.1")})
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", lan.addr}}
	h := newHome(t, c, nil)
	addrs, ttl, err := h.LookupHome(t.Context(), "NAS.lan")
	want := []netip.Addr{netip.MustParseAddr("192.168.77.20"), netip.MustParseAddr("fd77::20")}
	if err != nil || !slices.Equal(addrs, want) || ttl != 5*time.Second {
		t.Errorf("nas: %v for %v, %v", addrs, ttl, err)
	}
	for _, name := range []string{"away.lan", "box.lan", "link.lan", "all.lan", "none.lan"} {
		if addrs, _, err := h.LookupHome(t.Context(), name); err == nil || !strings.Contains(err.Error(), "no address in the house") {
			t.Errorf("%s: %v, %v", name, addrs, err)
		}
	}
	if _, _, err := h.LookupHome(t.Context(), "example.com"); !errors.Is(err, ErrNotHome) {
		t.Errorf("a public name: %v", err)
	}
}
