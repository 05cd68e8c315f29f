//go:build lab

package netfilter

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// flushes are how other programs empty the tables.
func flushes() map[string][]string {
	tables := func(tool string) (lines []string) {
		for _, table := range tableNames {
			lines = append(lines, tool+" -t "+table+" -F")
		}
		return lines
	}
	return map[string][]string{
		"iptables -F": append(tables("iptables"), tables("ip6tables")...),
		"filter only": {"iptables -F", "ip6tables -F"},
		"nft":         {"nft flush ruleset"},
	}
}

// crowd are packets of many devices to the internet: UDP, DNS, TCP and pings.
func crowd(devices int) (packets [][]byte) {
	for i := range devices {
		for from, to := range map[string]string{fmt.Sprintf("192.168.77.%d", 10+i): internet4, fmt.Sprintf("2001:db8:77::%d",
			10+i): internet6} {
			a, b := netip.MustParseAddr(from), netip.MustParseAddr(to)
			for _, port := range []uint16{53, 443, 123} {
				packets = append(packets, traffic.Datagram(netip.AddrPortFrom(a, uint16(20000+i)), netip.AddrPortFrom(b, port),
					[]byte("hello")).Bytes())
			}
			for _, flags := range []byte{traffic.SYN, traffic.ACK, traffic.FIN | traffic.ACK} {
				packets = append(packets, traffic.Segment(netip.AddrPortFrom(a, uint16(30000+i)), netip.AddrPortFrom(b, 443),
					flags).Bytes())
			}
			packets = append(packets, traffic.Echo(a, b).Bytes())
		}
	}
	return packets
}

// TestFlushed: when somebody has emptied the tables, in any way, and nobody
// repairs them, nothing of a crowd of devices leaves, open or closed. Without
// the wall it does.
func TestFlushed(t *testing.T) {
	n := newNetwork(t)
	if strings.Contains(n.kernel.Version().String(), "legacy") {
		t.Skip("these are nf_tables")
	}
	packets := crowd(20)
	send := func() int {
		n.wan.take()
		for range 3 {
			if err := (traffic.Host{Namespace: n.phone.name}).On("eth0").Send(packets...); err != nil {
				t.Fatal(err)
			}
		}
		got := slices.DeleteFunc(n.wan.take(),
			func(p string) bool { return strings.HasPrefix(p, gateway4+" ") || strings.HasPrefix(p, gateway6+" ") })
		return len(got)
	}
	closed := household()
	closed.Mode = rules.Lockdown
	for name, in := range map[string]rules.Input{"open": household(), "closed": closed,
		"nothing known": {Carriers: []rules.Carrier{{TransPort: 9240, DNSPort: 9253}}}} {
		for how, lines := range flushes() {
			n.apply(compile(t, in))
			for _, line := range lines {
				n.gateway.run(line)
			}
			n.flush()
			if got := send(); got != 0 {
				t.Errorf("%s, %s: %d packets left", name, how, got)
			}
			if how == "filter only" {
				continue // the last net is in another table
			}
			n.raze()
			if got := send(); got == 0 {
				t.Errorf("%s, %s: nothing left without the wall either: this test proves nothing", name, how)
			} else {
				t.Logf("%s, %s: %d packets left without the wall, of %d", name, how, got, 3*len(packets))
			}
		}
	}
}

// TestHotspot: another program shares the connection as NetworkManager does,
// with its own masquerade and an accept for everything, after the tables were
// emptied; nothing of a device leaves.
func TestHotspot(t *testing.T) {
	n := newNetwork(t)
	share := func() {
		n.gateway.run("nft flush ruleset")
		n.gateway.run("nft add table ip nm-shared-lan1")
		n.gateway.run("nft add chain ip nm-shared-lan1 nat_postrouting { type nat hook postrouting priority 100 ; }")
		n.gateway.run("nft add rule ip nm-shared-lan1 nat_postrouting ip saddr 192.168.77.0/24 masquerade")
		n.gateway.run("nft add chain ip nm-shared-lan1 filter_forward { type filter hook forward priority 0 ; }")
		n.gateway.run("nft add rule ip nm-shared-lan1 filter_forward accept")
	}
	for _, razed := range []bool{false, true} {
		n.razed = razed
		n.apply(compile(t, household()))
		share()
		n.wan.take()
		n.phone.udp(internet4+":443", phone4)
		if _, err := n.phone.dial("tcp", internet4+":80", phone4); err == nil {
			t.Error("somebody answers")
		}
		if got := n.wan.take(); (len(got) > 0) != razed {
			t.Errorf("without the wall: %v; arrived in the internet: %q", razed, got)
		}
	}
}

// wallOf returns the rules of routing policy as "ip rule" prints them.
func (n *network) wallOf(family string) string { return n.gateway.run("ip " + family + " rule") }

// TestWallStandsFirst: rules of others that come before the wall are behind it
// after a repair, at once, and theirs are as they were.
func TestWallStandsFirst(t *testing.T) {
	n := newNetwork(t)
	n.apply(compile(t, household()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan []string, 100)
	n.gateway.do(func() {
		go n.guard(ctx, lines)
	})
	time.Sleep(settle)
	for _, f := range []string{"-4", "-6"} {
		n.gateway.ip(f + " rule del pref 903")
	}
	for _, f := range []string{"-4", "-6"} {
		n.gateway.ip(f + " rule add not fwmark 0xca6c table 51820") // as wg-quick does, without a number
		n.gateway.ip(f + " rule add table main suppress_prefixlength 0")
		n.gateway.ip(f + " rule add pref 100 iif lan1 lookup main")
	}
	deadline := time.Now().Add(busy)
	right := func(text string) bool {
		wall, other := strings.Index(text, "blackhole"), strings.Index(text, "lookup 51820")
		return strings.Count(text, "blackhole") == 2 && strings.Count(text, "proto 116") == 6 &&
			wall < strings.Index(text, "iif lan1") && wall < other && strings.Index(text, "suppress_prefixlength") < other
	}
	for !right(n.wallOf("-4")) || !right(n.wallOf("-6")) {
		if time.Now().After(deadline) {
			t.Fatalf("the wall is not first:\n%s\n%s", n.wallOf("-4"), n.wallOf("-6"))
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := <-lines; !strings.Contains(strings.Join(got, "\n"), "routing policy") {
		t.Errorf("the repair said %q", got)
	}
	n.gateway.do(func() {
		if err := n.kernel.Teardown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if text := n.wallOf("-4") + n.wallOf("-6"); strings.Contains(text, "proto 116") || strings.Count(text, "51820") != 2 {
		t.Errorf("after teardown:\n%s", text)
	}
}

// guard repairs as the daemon does, in the calling thread's namespace.
func (n *network) guard(ctx context.Context, lines chan<- []string) {
	n.gateway.do(func() {
		_ = n.kernel.WatchRules(ctx, func() { // ends with ctx
			got, err := n.kernel.Repair(ctx)
			if err != nil && ctx.Err() == nil {
				n.t.Error(err)
			}
			if len(got) > 0 {
				lines <- got
			}
		})
	})
}

// TestCheckOfSources: what passes the wall passes the kernel's check of sources
// too, loose or strict, because that sees the mark.
func TestCheckOfSources(t *testing.T) {
	n := newNetwork(t)
	n.internet.echo(":443")
	for _, strict := range []string{"1", "2"} {
		for _, name := range []string{"all", "lan1", "wan0"} {
			n.gateway.set("ipv4/conf/"+name+"/rp_filter", strict)
		}
		n.apply(compile(t, withDefault(rules.Direct)))
		n.wants("UDP of a direct device", n.ask(n.phone, internet4+":443", phone4), gateway4)
	}
	n.gateway.set("ipv4/conf/all/src_valid_mark", "0")
	if got := n.silent(n.phone, internet4+":443", phone4); got != "" {
		t.Errorf("seen from %q without the mark too: this test proves nothing", got)
	}
}

// TestGatewaysOfOthers: other tables and gateways of the owner's can still be
// set up with the wall there, and the box reaches what it did.
func TestGatewaysOfOthers(t *testing.T) {
	n := newNetwork(t)
	n.apply(compile(t, household()))
	for _, line := range []string{
		"route add 10.9.0.0/16 via " + internet4 + " table 100", "-6 route add 2001:db8:9::/48 via " + internet6 + " table 100",
		"rule add from 192.168.78.20 lookup 100", "-6 rule add from 2001:db8:78::20 lookup 100",
	} {
		n.gateway.ip(line)
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("without IPv6")
	}
	for _, a := range []string{internet4, internet6} {
		n.gateway.run("ip route get " + a)
	}
}
