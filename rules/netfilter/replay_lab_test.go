//go:build lab

package netfilter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

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

// freshly is what iptables makes of a set where nothing is: it has loaded all of it itself.
func freshly(t *testing.T, name string, set rules.Ruleset) string {
	t.Helper()
	fresh := newNode(t, name)
	fresh.apply(fresh.kernel(), set)
	return fresh.saved()
}

// TestReplay: the first time that the house is closed and opened each table has one transaction
// for what iptables translates and all one for the change; the second time it is that alone. Iptables
// prints what it prints when it has loaded the rules itself.
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
			saved := []string{freshly(t, "open", sets[0]), freshly(t, "closed", sets[1])}
			gw.apply(k, sets[0])
			for i := 1; i < 7; i++ {
				set := sets[i%2]
				n := gw.changes(k, func() { gw.apply(k, set) })
				if n != 1 && i > 2 || n < 2 && i == 1 {
					t.Errorf("change %d was %d transactions", i, n)
				}
				if got := gw.saved(); got != saved[i%2] {
					t.Errorf("the rules are now\n%s\nand should be\n%s", got, saved[i%2])
				}
				if drift := gw.verify(k, set); len(drift) != 0 {
					t.Errorf("drift: %q", drift)
				}
			}
		})
	}
}

// TestReplayedHouse fires all shots at rules that were sent: of the closed house with spare chains
// beside, as a daemon leaves it that is ended in a change, then of the open one, which another daemon
// has never had, and again of the closed one.
func TestReplayedHouse(t *testing.T) {
	useBackend(t, "nft")
	h := newHouse(t)
	open, closed := settings()[0], settings()[2]
	h.apply(compile(t, closed.input))
	h.gateway.do(func() {
		var loads []load
		for _, table := range compile(t, open.input).Tables {
			loads = append(loads, load{table: table, chains: table.Chains})
		}
		if err := h.kernel.learn(t.Context(), h.kernel.spares(loads)); err != nil {
			t.Error(err)
		}
	})
	if n := strings.Count(h.gateway.saved(), ":"+spareChain+" "); n != 6 {
		t.Errorf("there are %d spare chains", n)
	}
	h.hits(closed.shots)
	h.kernel = h.gateway.kernel()
	for _, s := range []setting{open, closed} {
		h.apply(compile(t, s.input))
		if strings.Contains(h.gateway.saved(), spareChain) {
			t.Errorf("%s: a spare chain stays", s.name)
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
	blocked := in
	blocked.Devices = slices.Clone(in.Devices)
	for i := range blocked.Devices {
		blocked.Devices[i].Policy = rules.Block
	}
	for _, in := range []rules.Input{in, blocked, in} { // iptables translates each policy once
		gw.apply(k, compile(t, in))
	}
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

// knowing returns a kernel that has sent both sets, and whose house is closed.
func knowing(t *testing.T, gw *node) (k *Kernel, open, closed rules.Ruleset) {
	t.Helper()
	k = gw.kernel()
	open, closed = compile(t, household()), compile(t, opposite(household()))
	for _, set := range []rules.Ruleset{open, closed, open, closed} {
		gw.apply(k, set)
	}
	return k, open, closed
}

// TestReplayIsAsked: what is not as iptables would print it is loaded by iptables,
// and forgotten.
func TestReplayIsAsked(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "asked")
	k, open, closed := knowing(t, gw)
	id := tableID{rules.IPv6, "filter"}
	drop, refuse := ruleKey{id, "-j DROP"}, ruleKey{id, "-j TUNIC-REFUSE"}
	k.written[drop], k.written[refuse] = k.written[refuse], k.written[drop]
	if n := gw.changes(k, func() { gw.apply(k, open) }); n < 2 {
		t.Errorf("%d transactions, though a rule is another one", n)
	}
	if got, want := gw.saved(), freshly(t, "fresh", open); got != want {
		t.Errorf("the rules are\n%s\nand should be\n%s", got, want)
	}
	if n := gw.changes(k, func() { gw.apply(k, closed) }); n < 4 || strings.Contains(gw.saved(), spareChain) {
		t.Errorf("%d transactions, though iptables printed a rule otherwise, and now\n%s", n, gw.saved())
	}
}

// TestReplayRefused: a transaction that the kernel refuses has changed nothing, and
// iptables does it.
func TestReplayRefused(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "refused")
	k, open, closed := knowing(t, gw)
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

// restoreWith replaces iptables-restore of one family: for a spare chain it does what line says, in which
// LOAD is to load it and SPARE is its name.
func (n *node) restoreWith(k *Kernel, line string) {
	n.t.Helper()
	p := k.families[rules.IPv4]
	line = strings.NewReplacer("LOAD", `load "$@"`, "SPARE", spareChain).Replace(line)
	script := "#!/bin/sh\ntext=$(cat)\nload() { echo \"$text\" | " + p.restore + " \"$@\"; }\n" +
		"case $text in *\"-A " + spareChain + "\"*) " + line + " ;; *) load \"$@\" ;; esac\n"
	path := filepath.Join(n.t.TempDir(), "restore")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		n.t.Fatal(err)
	}
	p.restore = path
	k.families[rules.IPv4] = p
}

// TestLearnNothingForeign: what another program has changed meanwhile is neither kept nor sent,
// and of what iptables refuses no packet meets a part: the change is made by iptables alone.
func TestLearnNothingForeign(t *testing.T) {
	useBackend(t, "nft")
	for name, line := range map[string]string{
		"nothing":                "LOAD",
		"a chain of its own":     "LOAD && iptables -t nat -N OTHER",
		"a rule that lets pass":  "LOAD && iptables -R SPARE 1 -j ACCEPT",
		"one before":             "iptables -t nat -N OTHER && LOAD",
		"the spare chain":        "LOAD && iptables -F SPARE && iptables -X SPARE",
		"iptables refuses":       "exit 1",
		"iptables loads nothing": "exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			gw := newNode(t, "foreign")
			k := gw.kernel()
			open, closed := compile(t, household()), compile(t, opposite(household()))
			gw.apply(k, closed)
			gw.restoreWith(k, line)
			gw.apply(k, open)
			if known := len(k.written) > 0; known != (line == "LOAD") {
				t.Errorf("rules were learned: %v", known)
			}
			got := strings.ReplaceAll(gw.saved(), ":OTHER - [0:0]\n", "")
			if want := freshly(t, "fresh", open); got != want {
				t.Errorf("the rules are\n%s\nand should be\n%s", got, want)
			}
		})
	}
}

// TestFirstSwapIsOne: of all that is done to the kernel's rules when a daemon opens its house for
// the first time one transaction is about chains that packets meet.
func TestFirstSwapIsOne(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "one")
	gw.apply(gw.kernel(), compile(t, opposite(withDevices(100))))
	k := gw.kernel() // a daemon that knows nothing
	var socket *nl.NetlinkSocket
	gw.do(func() {
		var err error
		if socket, err = nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES); err != nil {
			t.Error(err)
			return
		}
		_ = socket.SetReceiveBufferSize(nftBuffer, true)
		_ = socket.SetReceiveTimeout(&unix.Timeval{Usec: 200_000}) // then all events are there
	})
	if t.Failed() {
		return
	}
	defer socket.Close()
	gw.apply(k, compile(t, withDevices(100)))
	about, chains := []map[string]bool{}, map[string]bool{}
	for {
		messages, _, err := socket.Receive()
		if err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			break
		}
		for _, m := range messages {
			attrs := attributes(m.Data[nl.SizeofNfgenmsg:])
			switch m.Header.Type & 0xff {
			case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE:
				chains[text(attrs[unix.NFTA_RULE_CHAIN])] = true
			case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN:
				chains[text(attrs[unix.NFTA_CHAIN_NAME])] = true
			case unix.NFT_MSG_NEWGEN:
				about, chains = append(about, chains), map[string]bool{}
			}
		}
	}
	if len(about) != 7 {
		t.Fatalf("%d transactions", len(about))
	}
	for _, chains := range about[:6] {
		if len(chains) != 1 || !chains[spareChain] {
			t.Errorf("before the change one is about %v", chains)
		}
	}
	if last := about[6]; len(last) < 20 || !last[spareChain] {
		t.Errorf("the change is about %v", last)
	}
}
