//go:build lab

package netfilter

import (
	"fmt"
	"net"
	"net/netip"
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
			conns, err := dialMany(h, net.Dialer{Timeout: patience}, h.nodes["printer"], net.JoinHostPort(e.at("internet"), "80"),
				houseStreams)
			defer func() { closeAll(conns) }()
			if err != nil {
				t.Fatalf("after %d connections: %v", len(conns), err)
			}
			begin := time.Now()
			want(try("printer", "internet", 80), "refused")
			if took := time.Since(begin); took > 1250*time.Millisecond {
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

// TestForgedStreams: what another device can do to an address by sending in its name
// (decision 71). It cannot see what is answered, so nothing of it comes to tor. The one
// whose name it is resets what it has not begun, and has all its connections; one that
// is silent about that has none until they are forgotten, and others have theirs.
func TestForgedStreams(t *testing.T) {
	h := newHouse(t)
	h.gateway.set("netfilter/nf_conntrack_tcp_timeout_syn_recv", "6")
	h.apply(compile(t, openHouse()))
	port := uint16(20000)
	for _, f := range rules.Families() {
		t.Run(f.String(), func(t *testing.T) {
			e := newEnds(f)
			want := func(from, wanted string) {
				t.Helper()
				if got := (call{network: "tcp", from: from, to: "internet", port: 80, wait: patience}).try(h, e); got != e.expand(wanted) {
					t.Errorf("%q, want %q", got, e.expand(wanted))
				}
			}
			forge := func() {
				t.Helper()
				var packets [][]byte
				for range 2 * houseStreams {
					from, to := netip.MustParseAddr(e.at("printer")), netip.MustParseAddr(e.at("internet"))
					packets = append(packets, traffic.Segment(netip.AddrPortFrom(from, port), netip.AddrPortFrom(to, 80),
						traffic.SYN).Bytes())
					port++
				}
				if err := (traffic.Host{Namespace: h.nodes["phone"].name}).On("eth0").Send(packets...); err != nil {
					t.Fatal(err)
				}
				time.Sleep(settle)
			}
			want("printer", "tor $printer") // the box knows where it is
			forge()
			want("printer", "tor $printer")
			command := map[rules.Family]string{rules.IPv4: "iptables", rules.IPv6: "ip6tables"}[f]
			h.nodes["printer"].run(command + " -A INPUT -p tcp --dport 20000:30000 -j DROP")
			forge()
			want("printer", "refused")
			want("phone", "tor $phone")
			time.Sleep(7 * time.Second)
			want("printer", "tor $printer")
		})
	}
}
