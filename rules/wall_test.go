package rules

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The wall's order is what it is made of: what it lets on comes before what it
// swallows, which is all the rest.
func TestWallSwallowsTheRest(t *testing.T) {
	halves := map[Family]int{}
	swallowed := false
	for i, r := range Wall() {
		if swallowed && r.Action != Swallow && r.Action != Nothing {
			t.Errorf("rule %d comes too late", i)
		}
		if r.Action == Skip && r.Mark == r.Own {
			t.Errorf("rule %d lets on more than what is marked or the box's own", i)
		}
		if r.Action != Swallow {
			continue
		}
		swallowed = true
		for _, f := range Families() {
			p := r.Source(f)
			if p != p.Masked() || p.Bits() != 1 || p.Addr().Is4() != (f == IPv4) {
				t.Errorf("rule %d is for %v in %v", i, p, f)
			}
			for _, a := range []string{"10.0.0.1", "203.0.113.1", "::1", "fe80::1"} {
				if p.Contains(netip.MustParseAddr(a)) {
					halves[f]++
				}
			}
		}
	}
	for _, f := range Families() {
		if halves[f] != 2 {
			t.Errorf("%v: the halves hold %d of two addresses", f, halves[f])
		}
	}
}

// Nothing but the gate, and the chain that stands in for it, marks a packet, and no policy's mark touches the wall's.
func TestOnlyTheGateMarks(t *testing.T) {
	if WallMark&MarkMask != 0 || SentMark&(MarkMask|WallMark) != 0 {
		t.Error("the marks overlap")
	}
	mark := regexp.MustCompile(`-j MARK`)
	for name, in := range scenarios() {
		for _, table := range mustCompile(t, in).Tables {
			for _, c := range table.Chains {
				gate := table.Name == "mangle" && slices.Contains([]string{chainSent, chainPass, chainGate, chainHome, chainLeave}, c.Name)
				if mark.MatchString(strings.Join(c.Rules, "\n")) && !gate {
					t.Errorf("%s: %v %s marks packets", name, table.Family, c.Name)
				}
			}
		}
	}
}
