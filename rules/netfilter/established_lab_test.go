//go:build lab

package netfilter

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/rules"
)

// TestEstablishedIsNoPass: an open connection that was allowed does not go on
// where its next packet would not be: from a network that is not the household's
// any more, and to addresses that have become virtual. The second wall is away.
func TestEstablishedIsNoPass(t *testing.T) {
	before := bothDirect()
	moved, virtual := before, before
	moved.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.78.0/24"), netip.MustParsePrefix("2001:db8:78::/64")}
	virtual.Virtual4, virtual.Virtual6 = netip.MustParsePrefix("203.0.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48")
	for _, after := range []struct {
		name  string
		input rules.Input
		part  string // without it the rules would let the connection go on
	}{
		{"its network is none of the household's", moved, `-s 192\.168\.78\.\S+ |-s 2001:db8:78:\S+ `},
		{"its other end is virtual", virtual, `! -d (203\.0\.0\.0/16|2001:db8:1::/48) `},
	} {
		t.Run(after.name, func(t *testing.T) {
			n := newNetwork(t)
			n.razed = true
			n.far = n.internet.server(":8080")
			n.apply(compile(t, before))
			flows := []flow{
				n.flow("IPv4", n.phone, internet4+":8080", phone4),
				n.flow("IPv6", n.phone, "["+internet6+"]:8080", phone6),
			}
			set := compile(t, after.input)
			n.apply(widened(set, after.part))
			for _, f := range flows {
				if !f.from.passes(f.near, f.at) {
					t.Errorf("%s does not go on without that part either: this test proves nothing", f.name)
				}
			}
			n.apply(set)
			for _, f := range flows {
				if f.from.leaks(f.near, f.at) {
					t.Errorf("%s goes on", f.name)
				}
			}
		})
	}
}

// TestAnswerIsNotSent: what answers a device does not pass for what a device sends. The phone's
// network is none of the household's any more, so the nas' answers to it would leave.
func TestAnswerIsNotSent(t *testing.T) {
	n := newNetwork(t)
	n.far = n.nas.server(":8080")
	in := bothDirect()
	n.apply(compile(t, in))
	f := n.flow("from the phone to the nas", n.phone, nas4+":8080", phone4)
	n.gateway.ip("addr del 192.168.77.1/24 dev lan1")
	in.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.78.0/24"), netip.MustParsePrefix("2001:db8:78::/64")}
	set := compile(t, in)
	leaves := func(set rules.Ruleset) bool {
		n.apply(set)
		n.wan.take()
		if _, err := f.at.Write([]byte("word")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)
		return slices.ContainsFunc(n.wan.take(), func(p string) bool { return strings.Contains(p, nas4) })
	}
	if !leaves(replaced(set, "-g TUNIC-PASS", "-g TUNIC-SENT")) {
		t.Error("it does not leave when answers are marked as sent either: this test proves nothing")
	}
	if leaves(set) {
		t.Error("an answer leaves")
	}
}

// replaced changes the text of all rules.
func replaced(set rules.Ruleset, old, by string) rules.Ruleset {
	return changed(set, func(rule string) string { return strings.ReplaceAll(rule, old, by) })
}

// widened takes a part out of each rule for what is established.
func widened(set rules.Ruleset, part string) rules.Ruleset {
	established := regexp.MustCompile(`--ctstate ESTABLISHED --ctdir ORIGINAL|-m mark --mark`)
	return changed(set, func(rule string) string {
		if !established.MatchString(rule) {
			return rule
		}
		return regexp.MustCompile(part).ReplaceAllString(rule, "")
	})
}

// changed is a ruleset with another text for each rule.
func changed(set rules.Ruleset, text func(rule string) string) rules.Ruleset {
	var other rules.Ruleset
	for _, table := range set.Tables {
		t := rules.Table{Family: table.Family, Name: table.Name}
		for _, c := range table.Chains {
			chain := rules.Chain{Name: c.Name}
			for _, rule := range c.Rules {
				chain.Rules = append(chain.Rules, text(rule))
			}
			t.Chains = append(t.Chains, chain)
		}
		other.Tables = append(other.Tables, t)
	}
	return other
}
