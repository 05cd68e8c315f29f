//go:build lab

package netfilter

import (
	"net/netip"
	"regexp"
	"testing"

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

// widened takes a part out of each rule for what is established.
func widened(set rules.Ruleset, part string) rules.Ruleset {
	established := regexp.MustCompile(`--ctstate ESTABLISHED --ctdir ORIGINAL`)
	var wide rules.Ruleset
	for _, table := range set.Tables {
		t := rules.Table{Family: table.Family, Name: table.Name}
		for _, c := range table.Chains {
			chain := rules.Chain{Name: c.Name}
			for _, rule := range c.Rules {
				if established.MatchString(rule) {
					rule = regexp.MustCompile(part).ReplaceAllString(rule, "")
				}
				chain.Rules = append(chain.Rules, rule)
			}
			t.Chains = append(t.Chains, chain)
		}
		wide.Tables = append(wide.Tables, t)
	}
	return wide
}
