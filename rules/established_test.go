package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFreeIsOnionAndDirect: the mark that ends the way early is that of two
// policies, and of no other connection.
func TestFreeIsOnionAndDirect(t *testing.T) {
	_, value, _ := strings.Cut(free, "--mark ")
	mark, mask, err := parseMark(value)
	if err != nil {
		t.Fatal(err)
	}
	for p := range Policy(MarkMask>>MarkShift + 1) {
		if got := p.Mark()&mask == mark; got != (p == Onion || p == Direct) {
			t.Errorf("%v (%d) is free: %v", p, p, got)
		}
	}
}

// TestEstablishedAreNarrow: what is established passes early only where the
// household is open, only with that mark, and what a device sends only with a
// source of the household and not to a virtual address. The packet's mark that says
// so is set by what TUNIC-CLASSIFY has judged itself, and never for an answer. (What the box
// sends in tor's connections is another matter: TestOrphans.)
func TestEstablishedAreNarrow(t *testing.T) {
	early := regexp.MustCompile(`(--ctstate ESTABLISHED --ctdir (?:REPLY|ORIGINAL)|-m mark --mark 0x20000000/0x20000000) (?:.* )?` +
		`(-j RETURN|-g TUNIC-PASS|-g TUNIC-SENT)$|-g TUNIC-SENT$`)
	for name, in := range scenarios() {
		for _, table := range mustCompile(t, in).Tables {
			c := compiler{Input: in.normal(), dialect: dialectOf(table.Family), prefixes: only(table.Family, in.Prefixes)}
			for _, chain := range table.Chains {
				for _, rule := range chain.Rules {
					m := early.FindStringSubmatch(rule)
					if m != nil && !strings.Contains(rule, marked(carried)) && !narrow(c, chain.Name, rule, m[1]) {
						t.Errorf("%s: %v %s lets pass: %s", name, table.Family, chain.Name, rule)
					}
				}
			}
		}
	}
}

func narrow(c compiler, chain, rule, direction string) bool {
	interfaces, sources := c.ins(), c.prefixes
	answers := strings.HasSuffix(direction, "REPLY")
	if answers {
		interfaces, sources = c.outs(), nil
	}
	within := func(match string) bool { return strings.Contains(rule, match+" ") }
	ok := c.open() && within(free)
	if chain == chainForward || !answers && chain == chainClassify {
		ok = ok && slices.ContainsFunc(interfaces, within)
	}
	if chain == chainClassify {
		ok = ok && within(original) == strings.HasSuffix(rule, "-g "+chainSent) && !within(sentMarked)
	}
	if !answers {
		ok = ok && within("! -d "+c.virtual().String())
		source := false
		for _, p := range sources {
			source = source || within("-s "+p.String())
		}
		ok = ok && source
	}
	return ok
}

// TestEstablishedStandFirst: nothing is walked before them but what is about
// loopback.
func TestEstablishedStandFirst(t *testing.T) {
	set := mustCompile(t, scenarios()["open"])
	for _, f := range Families() {
		for chain, table := range map[string]string{chainClassify: "mangle", chainForward: "filter", chainPost: "mangle"} {
			list := rulesOf(t, set, f, table, chain)
			before := slices.IndexFunc(list, func(r string) bool {
				return strings.Contains(r, original) || strings.Contains(r, sentMarked)
			})
			if want := map[string]int{chainPost: 3}[chain]; before != want {
				t.Errorf("%v %s: %d rules stand before what is established, not %d", f, chain, before, want)
			}
		}
	}
}

// TestEstablishedToNetworksBeside: what is for a network beside Tor is judged, or ends,
// before what is established passes.
func TestEstablishedToNetworksBeside(t *testing.T) {
	in := scenarios()["open-beside"]
	if len(in.Networks) == 0 {
		t.Fatal("there is no network beside Tor")
	}
	set := mustCompile(t, in)
	for chain, rest := range map[string][2]string{chainClassify: {"mangle", "-g " + chainGate}, chainForward: {"filter", "-g " + chainFrom},
		chainPost: {"mangle", "-j DROP"}} {
		list := rulesOf(t, set, IPv4, rest[0], chain)
		passes := slices.IndexFunc(list, func(r string) bool { return strings.HasPrefix(r, "-s") && strings.Contains(r, " ! -d ") })
		for _, n := range in.Networks {
			at := slices.Index(list, "-d "+n.Range.String()+" "+join(free, original, rest[1]))
			if at < 0 || at > passes {
				t.Errorf("%s: to %v it passes", chain, n.Range)
			}
		}
	}
}
