//go:build lab

package netfilter

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"tunic/rules"
)

// configurations are sixteen households: each of four questions answered both
// ways.
func configurations() []rules.Input {
	var all []rules.Input
	for bits := range 16 {
		in := household()
		if bits&1 != 0 {
			in.Mode = rules.Lockdown
		}
		if bits&2 != 0 {
			in.OwnTor = true
		}
		if bits&4 != 0 {
			in.Default = rules.Direct
			in.Devices = []rules.Device{{MAC: phoneMAC, Policy: rules.Tor}, {MAC: "02:00:00:00:78:20", Policy: rules.Block}}
		}
		if bits&8 != 0 {
			in.Interfaces = in.Interfaces[:1]
			in.Prefixes = in.Prefixes[:3]
			in.Services = append(in.Services, rules.Service{Name: "gopher", Public: 70, Internal: 9370})
		}
		all = append(all, in)
	}
	return all
}

// paper is a kernel made of paper: it carries out the changes that Diff names,
// and objects to one that does not fit.
type paper struct {
	t     *testing.T
	chain map[string][]string // "ip4 filter TUNIC-INPUT" -> rules
}

func (p *paper) carryOut(before, after rules.Ruleset) {
	p.t.Helper()
	at := map[string]int{}
	old := p.chain
	p.chain = sheet(after)
	removed, added := map[string]int{}, map[string]int{}
	for _, c := range rules.Diff(before, after) {
		name := fmt.Sprintf("%v %s %s", c.Family, c.Table, c.Chain)
		at[name]++
		if c.Added {
			added[name]++
		} else {
			removed[name]++
		}
	}
	for name := range at {
		if want := len(old[name]) - removed[name] + added[name]; want != len(p.chain[name]) {
			p.t.Errorf("%s has %d rules; the plan said %d", name, len(p.chain[name]), want)
		}
	}
	for name, lines := range p.chain {
		if at[name] == 0 && len(old[name])+len(lines) > 0 && !reflect.DeepEqual(old[name], lines) {
			p.t.Errorf("%s changed and the plan did not say so", name)
		}
	}
}

// sheet lists a ruleset's chains.
func sheet(set rules.Ruleset) map[string][]string {
	chains := map[string][]string{}
	for _, table := range set.Tables {
		for _, c := range table.Chains {
			chains[fmt.Sprintf("%v %s %s", table.Family, table.Name, c.Name)] = c.Rules
		}
	}
	return chains
}

// state is everything that the kernel holds in its tables, ours or not.
func (n *node) state(k *Kernel) state {
	n.t.Helper()
	var all state
	var err error
	n.do(func() { all, err = k.look(n.t.Context(), rules.Families()...) })
	if err != nil {
		n.t.Error(err)
	}
	return all
}

// TestTransitions walks at random between all configurations. However one
// comes to be, the kernel holds the same rules as on a box that never had any
// others, Verify agrees, and Diff has told every change.
func TestTransitions(t *testing.T) {
	const steps = 80
	all := configurations()
	sets := make([]rules.Ruleset, len(all))
	want := make([]state, len(all))
	for i, in := range all {
		sets[i] = compile(t, in)
		fresh := newNode(t, fmt.Sprintf("fresh%d", i))
		k := fresh.kernel()
		fresh.apply(k, sets[i])
		want[i] = fresh.state(k)
	}
	random := rand.New(rand.NewPCG(7, 7))
	gw := newNode(t, "walk")
	k := gw.kernel()
	book := &paper{t: t}
	var now rules.Ruleset
	visited := map[int]bool{}
	for step := range steps {
		next := random.IntN(len(all))
		if step < len(all) {
			next = step // each at least once
		}
		visited[next] = true
		gw.apply(k, sets[next])
		if got := gw.state(k); !reflect.DeepEqual(got, want[next]) {
			t.Fatalf("step %d: configuration %d is not what it is on a fresh box:\n got %v\nwant %v", step, next, got, want[next])
		}
		book.carryOut(now, sets[next])
		var drift []string
		var err error
		gw.do(func() { drift, err = k.Verify(t.Context(), sets[next]) })
		if err != nil || len(drift) > 0 {
			t.Fatalf("step %d: Verify: %q, %v", step, drift, err)
		}
		now = sets[next]
	}
	t.Logf("%d transitions between %d configurations", steps, len(visited))
}
