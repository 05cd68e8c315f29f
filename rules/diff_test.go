package rules

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDiff(t *testing.T) {
	before := mustCompile(t, house())
	if changes := Diff(before, before); len(changes) != 0 {
		t.Errorf("differs from itself: %v", changes)
	}
	in := house()
	in.Devices[0].Policy = Block
	in.Services = in.Services[:2]
	var got []string
	for _, c := range Diff(before, mustCompile(t, in)) {
		if c.Family == IPv6 {
			got = append(got, c.String())
		}
	}
	want := []string{
		"- ip6 filter TUNIC-INPUT -p tcp -m tcp --dport 9370 -g TUNIC-CLOSED",
		"- ip6 mangle TUNIC-DEVICE -m mac --mac-source 02:00:00:00:00:01 -j CONNMARK --set-xmark 0x3000000/0xf000000",
		"+ ip6 mangle TUNIC-DEVICE -m mac --mac-source 02:00:00:00:00:01 -j CONNMARK --set-xmark 0x4000000/0xf000000",
		"- ip6 nat TUNIC-LAN -p tcp -m tcp --dport 70 -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 9370",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDiffFromNothing(t *testing.T) {
	set := mustCompile(t, house())
	total := 0
	for _, table := range set.Tables {
		for _, c := range table.Chains {
			total += len(c.Rules)
		}
	}
	for _, changes := range [][]Change{Diff(Ruleset{}, set), Diff(set, Ruleset{})} {
		if len(changes) != total {
			t.Errorf("%d changes for %d rules", len(changes), total)
		}
	}
}

// TestDiffLeadsThere carries out random diffs.
func TestDiffLeadsThere(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	chain := func() []string {
		var rules []string
		for range random.IntN(8) {
			rules = append(rules, string(rune('a'+random.IntN(4))))
		}
		return rules
	}
	set := func(rules []string) Ruleset {
		return Ruleset{[]Table{{IPv4, "filter", []Chain{{"TUNIC-X", rules}}}}}
	}
	for range 500 {
		before, after := chain(), chain()
		changes := Diff(set(before), set(after))
		count := make(map[string]int)
		for _, r := range before {
			count[r]++
		}
		for _, c := range changes {
			if c.Added {
				count[c.Rule]++
			} else {
				count[c.Rule]--
			}
		}
		for _, r := range after {
			count[r]--
		}
		for r, n := range count {
			if n != 0 {
				t.Fatalf("%v to %v by %v leaves %d of %q", before, after, changes, n, r)
			}
		}
		if (len(changes) == 0) != set(before).Equal(set(after)) {
			t.Fatalf("%v to %v: %d changes", before, after, len(changes))
		}
	}
}

func TestPolicyMarks(t *testing.T) {
	want := map[Policy]uint32{Tor: 0x01000000, Onion: 0x02000000, Direct: 0x03000000, Block: 0x04000000}
	for p, mark := range want {
		if p.Mark() != mark || mark&^MarkMask != 0 {
			t.Errorf("%v: mark %#x, want %#x", p, p.Mark(), mark)
		}
	}
}
