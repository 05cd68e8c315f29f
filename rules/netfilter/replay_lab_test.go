//go:build lab

package netfilter

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"tunic/rules"
)

// changes returns how many transactions of nf_tables f makes.
func (n *node) changes(k *Kernel, f func()) uint32 {
	n.t.Helper()
	var before, after uint32
	n.do(func() { before = k.generation() })
	f()
	n.do(func() { after = k.generation() })
	if before == 0 {
		n.t.Fatal("the kernel does not tell its generation")
	}
	return after - before
}

// opposite is the same house, closed if it is open.
func opposite(in rules.Input) rules.Input {
	if in.Mode == rules.Open {
		in.Mode = rules.Lockdown
	} else {
		in.Mode = rules.Open
	}
	return in
}

// TestReplay: the second time that the house is closed or opened, all tables of
// both families change in one transaction, and iptables prints what it printed
// when it had loaded them itself.
func TestReplay(t *testing.T) {
	useBackend(t, "nft")
	for i, s := range settings() {
		if s.input.Mode == rules.Lockdown || i > 0 && s.input.Group == 0 && os.Getenv("TUNIC_LONG") == "" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			gw := newNode(t, "replay")
			k := gw.kernel()
			sets := []rules.Ruleset{compile(t, s.input), compile(t, opposite(s.input))}
			var saved []string
			for _, set := range sets {
				if n := gw.changes(k, func() { gw.apply(k, set) }); n < 2 {
					t.Errorf("the first time it were %d transactions", n)
				}
				saved = append(saved, gw.saved())
			}
			for range 2 {
				for i, set := range sets {
					if n := gw.changes(k, func() { gw.apply(k, set) }); n != 1 {
						t.Errorf("%d transactions", n)
					}
					if got := gw.saved(); got != saved[i] {
						t.Errorf("the rules are now\n%s\nand were\n%s", got, saved[i])
					}
					if drift := gw.verify(k, set); len(drift) != 0 {
						t.Errorf("drift: %q", drift)
					}
				}
			}
		})
	}
}

// TestReplayedHouse fires all shots at rules that were sent again.
func TestReplayedHouse(t *testing.T) {
	useBackend(t, "nft")
	h := newHouse(t)
	open, closed := settings()[0], settings()[2]
	h.apply(compile(t, open.input))
	h.apply(compile(t, closed.input))
	for _, s := range []setting{open, closed} {
		if n := h.gateway.changes(h.kernel, func() { h.apply(compile(t, s.input)) }); n != 1 {
			t.Errorf("%s: %d transactions", s.name, n)
		}
		h.hits(s.shots)
	}
}

// TestReplayOneDevice changes policies in a house of many devices: one that had
// another, one that comes and one that goes. A device needs no words of its own.
func TestReplayOneDevice(t *testing.T) {
	useBackend(t, "nft")
	for _, buckets := range []bool{false, true} {
		t.Run(fmt.Sprintf("buckets=%v", buckets), func(t *testing.T) {
			in := withDevices(200)
			in.Buckets = buckets
			replayOneDevice(t, in)
		})
	}
}

func replayOneDevice(t *testing.T, in rules.Input) {
	gw := newNode(t, "device")
	k := gw.kernel()
	in.Devices = append(in.Devices, rules.Device{MAC: "02:00:00:00:99:01", Policy: rules.Block})
	gw.apply(k, compile(t, in))
	was := gw.deviceHandles(k)
	for name, change := range map[string]func(*rules.Input){
		"another policy": func(in *rules.Input) { in.Devices[77].Policy = rules.Block },
		"two":            func(in *rules.Input) { in.Devices[5].Policy, in.Devices[7].Policy = rules.Block, rules.Onion },
		"one comes": func(in *rules.Input) {
			in.Devices = append(in.Devices, rules.Device{MAC: "02:00:7f:00:00:01", Policy: rules.Onion})
		},
		"one goes": func(in *rules.Input) { in.Devices = slices.Delete(in.Devices, 33, 34) },
	} {
		next := in
		next.Devices = slices.Clone(in.Devices)
		change(&next)
		set := compile(t, next)
		if n := gw.changes(k, func() { gw.apply(k, set) }); n != 1 {
			t.Errorf("%s: %d transactions", name, n)
		}
		if kept := common(was, gw.deviceHandles(k)); kept < 190 && !in.Buckets {
			t.Errorf("%s: only %d rules stayed", name, kept)
		}
		var now state
		var err error
		gw.do(func() { now, err = k.look(t.Context(), rules.Families()...) })
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range set.Tables {
			for _, c := range table.Chains {
				if !slices.EqualFunc(c.Rules, now[idOf(table)][c.Name], samePrinted) {
					t.Errorf("%s: %v %s is\n%q", name, idOf(table), c.Name, now[idOf(table)][c.Name])
				}
			}
		}
		gw.apply(k, compile(t, in))
		was = gw.deviceHandles(k)
	}
}

func (n *node) deviceHandles(k *Kernel) (handles []uint64) {
	n.t.Helper()
	n.do(func() {
		list, err := readChain(tableID{rules.IPv4, "mangle"}, "TUNIC-DEVICE")
		if err != nil {
			n.t.Error(err)
		}
		for _, w := range list {
			handles = append(handles, w.handle)
		}
	})
	return handles
}

func common(a, b []uint64) (n int) {
	for _, h := range a {
		if slices.Contains(b, h) {
			n++
		}
	}
	return n
}

// TestReplayIsAsked: what is not as iptables would print it is loaded by iptables,
// and forgotten.
func TestReplayIsAsked(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "asked")
	k := gw.kernel()
	open, closed := compile(t, household()), compile(t, opposite(household()))
	gw.apply(k, open)
	gw.apply(k, closed)
	gw.do(func() { k.learn(t.Context()) })
	id := tableID{rules.IPv6, "filter"}
	drop, refuse := ruleKey{id, "-j DROP"}, ruleKey{id, "-j TUNIC-REFUSE"}
	k.written[drop], k.written[refuse] = k.written[refuse], k.written[drop]
	if n := gw.changes(k, func() { gw.apply(k, open) }); n < 2 {
		t.Errorf("%d transactions, though a rule is another one", n)
	}
	fresh := newNode(t, "fresh")
	fresh.apply(fresh.kernel(), open)
	if got, want := gw.saved(), fresh.saved(); got != want {
		t.Errorf("the rules are\n%s\nand should be\n%s", got, want)
	}
}

// TestReplayRefused: a transaction that the kernel refuses has changed nothing, and
// iptables does it.
func TestReplayRefused(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "refused")
	k := gw.kernel()
	open, closed := compile(t, household()), compile(t, opposite(household()))
	gw.apply(k, open)
	gw.apply(k, closed)
	gw.do(func() { k.learn(t.Context()) })
	last := tableID{rules.IPv6, "nat"}
	gw.do(func() {
		var b batch
		b.begin()
		for _, table := range open.Tables {
			for _, c := range table.Chains {
				b.empty(idOf(table), c.Name)
			}
		}
		b.empty(last, "TUNIC-NOWHERE")
		b.end()
		if err := k.own.send(b); err == nil {
			t.Error("a chain that is not there could be emptied")
		}
	})
	if drift := gw.verify(k, closed); len(drift) != 0 {
		t.Errorf("after a refusal: %q", drift)
	}
	for key, w := range k.written {
		w.expressions = w.expressions[:len(w.expressions)/8*4]
		k.written[key] = w
	}
	gw.apply(k, open)
	if drift := gw.verify(k, open); len(drift) != 0 {
		t.Errorf("after iptables: %q", drift)
	}
}

// TestLearnNothingForeign: what somebody else may have changed meanwhile is not kept.
func TestLearnNothingForeign(t *testing.T) {
	useBackend(t, "nft")
	for _, change := range []string{"", "iptables -t nat -N OTHER", "iptables -R TUNIC-POLICY 2 -j ACCEPT"} {
		gw := newNode(t, "foreign"+fmt.Sprint(len(change)))
		k := gw.kernel()
		gw.apply(k, compile(t, household()))
		if change != "" {
			gw.run(change)
		}
		gw.do(func() { k.learn(t.Context()) })
		if known := len(k.written) > 0; known != (change == "") {
			t.Errorf("after %q rules were learned: %v", change, known)
		}
	}
}
