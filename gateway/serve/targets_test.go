package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/internal/sockets"
)

// listenPage answers every connection with a word and what it was told.
func listenPage(t *testing.T) netip.AddrPort {
	t.Helper()
	return sockets.Serve(t, func(c net.Conn) {
		b := make([]byte, 200)
		n, _ := c.Read(b)
		io.WriteString(c, "told "+string(b[:n]))
	})
}

// A device's name leads to where the device is now; an address that does not
// answer is not the last word.
func TestTargetByName(t *testing.T) {
	page := listenPage(t)
	p := start(t)
	p.front("photos")
	d := link.Desired{
		Fronts: []link.Front{{Onion: "photos", Host: "x.onion", Listener: "front/photos", Ports: []link.Port{
			{Virtual: 80, Host: "nas", HostPort: page.Port()},
			{Virtual: 81, Host: "nas", HostPort: page.Port(), Proxy: "v1"},
			{Virtual: 82, Host: "gone", HostPort: page.Port()},
		}}},
		Hosts: map[string][]netip.Addr{"nas": {netip.MustParseAddr("127.0.0.9"), page.Addr()}},
	}
	p.apply(d)
	if got := p.visit("photos", 80, "hello"); got != "told hello" {
		t.Errorf("by name: %q", got)
	}
	if got := p.visit("photos", 81, ""); got != "told PROXY TCP6 fc00:dead:beef:4dad::1:2 ::1 2 81\r\n" {
		t.Errorf("with a PROXY line: %q", got)
	}
	if got := p.visit("photos", 82, "hello"); got != "" {
		t.Errorf("of a device that is not there: %q", got)
	}
	st := p.status()
	for _, port := range st.Fronts[0].Ports {
		if want := port.Virtual != 82; port.Reachable != want {
			t.Errorf("port %d: %+v", port.Virtual, port)
		}
	}
	d.Hosts = map[string][]netip.Addr{"gone": {page.Addr()}}
	p.apply(d)
	if got := p.visit("photos", 80, "hello"); got != "" {
		t.Errorf("of a device that has left: %q", got)
	}
	if got := p.visit("photos", 82, "hello"); got != "told hello" {
		t.Errorf("of a device that has come: %q", got)
	}
}

// With a host of its own a service is asked by the onion's addresses, one that it
// had before too, and by nobody's else; a change of them is in force at once.
func TestHostsOfAnOnion(t *testing.T) {
	page := listenPage(t)
	p := start(t)
	p.front("photos")
	front := link.Front{Onion: "photos", Host: "new.onion", Former: []string{"old.onion"}, Listener: "front/photos",
		Ports: []link.Port{{Virtual: 80, Addr: page, HTTPHost: "photos.lan"}}}
	p.apply(link.Desired{Fronts: []link.Front{front}})
	ask := func(host string) bool {
		return strings.HasPrefix(p.visit("photos", 80, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"),
			"told GET / HTTP/1.1\r\nHost: photos.lan")
	}
	for host, want := range map[string]bool{"new.onion": true, "old.onion": true, "photos.grandma.peer.home.arpa": true,
		"other.onion": false, "attacker.example": false} {
		if ask(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
	front.Former = nil
	p.apply(link.Desired{Fronts: []link.Front{front}})
	if ask("old.onion") || !ask("new.onion") {
		t.Error("an address that has ended is a name all the same, or the one that stays is none")
	}
}

// A server is asked again when its answer is old, and not for each stream.
func TestNamesAreAskedAgain(t *testing.T) {
	var n names
	asked := 0
	ttl := time.Hour
	ask := func(context.Context, string) ([]netip.Addr, time.Duration, error) {
		asked++
		return []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(asked)})}, ttl, nil
	}
	for range 3 {
		if got, err := n.lookup(t.Context(), "nas.lan", ask); err != nil ||
			!slices.Equal(got, []netip.Addr{netip.MustParseAddr("10.0.0.1")}) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if e := n.known["nas.lan"]; time.Until(e.until) > maxNameAge {
		t.Errorf("it is used until %v", e.until)
	}
	ttl = 0
	n.known = nil
	_, _ = n.lookup(t.Context(), "nas.lan", ask)
	_, _ = n.lookup(t.Context(), "nas.lan", ask)
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	failing := errors.New("no answer")
	if _, err := n.lookup(t.Context(), "x.lan",
		func(context.Context, string) ([]netip.Addr, time.Duration, error) { return nil, 0, failing }); !errors.Is(err, failing) {
		t.Errorf("a failure: %v", err)
	}
}
