//go:build lab

package netfilter

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// houseStreams is how many connections an address in the house may have through
// tor at a time.
const houseStreams = 32

// beyond opens as many connections as an address may have, and says what comes
// of one more.
func beyond(from, to string, port uint16, want string) shot {
	name := fmt.Sprintf("TCP from %s to %s:%d, more than an address may have", from, to, port)
	return shot{name: name, want: want, fire: func(h *house, e ends) func() string {
		d := net.Dialer{Timeout: min(patience, h.limit)}
		conns, err := dialMany(h, d, h.nodes[from], net.JoinHostPort(e.at(to), fmt.Sprint(port)), houseStreams)
		defer closeAll(conns)
		got := call{network: "tcp", from: from, to: to, port: port, wait: patience}.try(h, e)
		if err != nil {
			got = fmt.Sprintf("after %d: %v", len(conns), err)
		}
		return func() string { return got }
	}}
}

func dialMany(h *house, d net.Dialer, from *node, address string, n int) (conns []net.Conn, err error) {
	err = traffic.Host{Namespace: from.name}.Do(func() error {
		for range n {
			c, err := d.DialContext(h.t.Context(), "tcp", address)
			if err != nil {
				return err
			}
			conns = append(conns, c)
		}
		return nil
	})
	return conns, err
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close() // whoever is gone already
	}
}

// TestStreams: an address that has all the connections that it may have gets no
// more, and at once one for each that ends; others get theirs, also when what has
// not been redirected was sent to tor's port. A device that is full gets none, and
// its coming and going sets no count to nothing.
func TestStreams(t *testing.T) {
	h := newHouse(t)
	h.apply(compile(t, openHouse()))
	for _, f := range rules.Families() {
		t.Run(f.String(), func(t *testing.T) {
			e := newEnds(f)
			try := func(from, to string, port uint16) string {
				return call{network: "tcp", from: from, to: to, port: port, wait: patience}.try(h, e)
			}
			want := func(got, wanted string) {
				t.Helper()
				if got != e.expand(wanted) {
					t.Errorf("%q, want %q", got, e.expand(wanted))
				}
			}
			for range houseStreams {
				want(try("printer", "box", 9240), "refused")
			}
			conns, err := dialMany(h, net.Dialer{Timeout: patience}, h.nodes["printer"], net.JoinHostPort(e.at("internet"), "80"), houseStreams)
			defer func() { closeAll(conns) }()
			if err != nil {
				t.Fatalf("after %d connections: %v", len(conns), err)
			}
			begin := time.Now()
			want(try("printer", "internet", 80), "refused")
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("it was refused after %v", took)
			}
			want(try("phone", "internet", 80), "tor $phone")
			full := openHouse()
			full.Full = []string{macOf("phone")}
			h.apply(compile(t, full))
			want(try("phone", "internet", 80), "refused")
			if h.kernel.Version().Backend == BackendNFT { // legacy programs load whole tables, and counting begins from nothing
				want(try("printer", "internet", 80), "refused")
			}
			h.apply(compile(t, openHouse()))
			want(try("phone", "internet", 80), "tor $phone")
			if got := try("printer", "box", 53); !strings.HasPrefix(got, "dns ") {
				t.Errorf("a question: %q", got)
			}
			closeAll(conns[:2])
			conns = conns[2:]
			time.Sleep(settle)
			want(try("printer", "internet", 80), "tor $printer")
		})
	}
}
