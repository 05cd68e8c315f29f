//go:build lab

package netfilter

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// wallShot is what has another outcome when one rule of the wall is gone.
type wallShot struct {
	action  rules.RoutingAction
	what    string
	flushed bool // with the tables of netfilter empty and nobody to repair them
	pass    bool // whether it passes with all rules
	fire    func(n *network, f rules.Family) bool
}

// wallShots are in the order of the wall's rules.
func wallShots() []wallShot {
	return []wallShot{
		{rules.LookupLocal, "the phone reaches the box, the kernel's own first rule being moved behind the wall", true, true, reachesBox},
		{rules.Skip, "a direct device's datagram leaves", false, true,
			func(n *network, f rules.Family) bool { return n.leaves(f, phone4, phone6) }},
		{rules.Skip, "the box's own datagram leaves, its source chosen", false, true, boxLeaves},
		{rules.Swallow, "a datagram leaves, its source in the lower half", true, false,
			func(n *network, f rules.Family) bool { return n.leaves(f, "100.64.7.7", phone6) }},
		{rules.Swallow, "a datagram leaves, its source in the upper half", true, false,
			func(n *network, f rules.Family) bool { return n.leaves(f, phone4, phoneULA) }},
		{rules.Nothing, "a direct device's datagram leaves", false, true,
			func(n *network, f rules.Family) bool { return n.leaves(f, phone4, phone6) }},
	}
}

// TestWallRules takes each rule of the wall out alone, in each family: something
// has to have another outcome then. There is no daemon, so that it stays out.
func TestWallRules(t *testing.T) {
	n := newNetwork(t)
	if strings.Contains(n.kernel.Version().String(), "legacy") {
		t.Skip("these are nf_tables")
	}
	if len(wallShots()) != len(rules.Wall()) {
		t.Fatalf("%d shots for %d rules", len(wallShots()), len(rules.Wall()))
	}
	for i, s := range wallShots() {
		if got := rules.Wall()[i].Action; got != s.action {
			t.Errorf("rule %d is %v, the shot is for %v", i, got, s.action)
		}
		for _, f := range rules.Families() {
			n.apply(compile(t, withDefault(rules.Direct)))
			if s.flushed {
				n.gateway.run("nft flush ruleset")
			}
			n.flush()
			if got := s.fire(n, f); got != s.pass {
				t.Errorf("%v, with all rules: %s: %v", f, s.what, got)
			}
			n.gateway.ip(fmt.Sprintf("%s rule del pref %d", ipFlag(f), wallPlace+i))
			n.flush()
			if got := s.fire(n, f); got == s.pass {
				t.Errorf("%v, rule %d (%v): nothing notices that it is gone: %s: %v", f, wallPlace+i, s.action, s.what, got)
			} else {
				t.Logf("%v, without rule %d (%v): %s: %v, not %v", f, wallPlace+i, s.action, s.what, got, s.pass)
			}
		}
	}
}

func ipFlag(f rules.Family) string {
	return map[rules.Family]string{rules.IPv4: "-4", rules.IPv6: "-6"}[f]
}

// leaves sends a datagram from the phone's cable and looks for it in the internet.
func (n *network) leaves(f rules.Family, from4, from6 string) bool {
	n.t.Helper()
	from, to := from4, internet4
	if f == rules.IPv6 {
		from, to = from6, internet6
	}
	n.wan.take()
	p := traffic.Datagram(netip.AddrPortFrom(netip.MustParseAddr(from), 20000), netip.AddrPortFrom(netip.MustParseAddr(to), 4443),
		[]byte("hello"))
	if err := (traffic.Host{Namespace: n.phone.name}).On("eth0").Send(p.Bytes()); err != nil {
		n.t.Fatal(err)
	}
	return strings.Contains(strings.Join(n.wan.take(), "\n"), "4443")
}

// boxLeaves has a program of the box send from an address that it chose: without
// one, rules with a source do not match in IPv6.
func boxLeaves(n *network, f rules.Family) bool {
	n.t.Helper()
	from, to := gateway4, internet4
	if f == rules.IPv6 {
		from, to = gateway6, internet6
	}
	n.wan.take()
	n.gateway.do(func() {
		d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		c, err := d.DialContext(n.t.Context(), "udp", net.JoinHostPort(to, "4443"))
		if err != nil {
			return // no way there: that is what is seen
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			n.t.Logf("the box to %s: %v", to, err)
		}
	})
	return strings.Contains(strings.Join(n.wan.take(), "\n"), "4443")
}

// reachesBox moves the kernel's rule for local addresses, as some programs do
// that want theirs to come first, and back.
func reachesBox(n *network, f rules.Family) bool {
	n.t.Helper()
	n.gateway.ip(ipFlag(f) + " rule add pref 32000 lookup local")
	n.gateway.ip(ipFlag(f) + " rule del pref 0 lookup local")
	defer func() {
		n.gateway.ip(ipFlag(f) + " rule add pref 0 lookup local")
		n.gateway.ip(ipFlag(f) + " rule del pref 32000 lookup local")
	}()
	to := map[rules.Family]string{rules.IPv4: "192.168.77.1", rules.IPv6: "2001:db8:77::1"}[f]
	reached := false
	ctx, cancel := context.WithTimeout(n.t.Context(), 3*time.Second)
	defer cancel()
	n.phone.do(func() { reached = pings(ctx, to) })
	return reached
}

func pings(ctx context.Context, to string) bool {
	return exec.CommandContext(ctx, "ping", "-n", "-c", "1", "-W", "1", "-q", to).Run() == nil
}
