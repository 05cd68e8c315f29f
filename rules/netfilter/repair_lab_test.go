//go:build lab

package netfilter

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// watched is a kernel that repairs by itself, as the daemon's does.
type watched struct {
	*node
	kernel *Kernel
	drift  chan []string
	looks  atomic.Int32
}

func newWatched(t *testing.T, name string) *watched {
	t.Helper()
	w := &watched{node: newNode(t, name), drift: make(chan []string, 100)}
	w.kernel = w.node.kernel()
	w.apply(w.kernel, compile(t, household()))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go w.do(func() {
		ended <- w.kernel.WatchRules(ctx, func() {
			w.looks.Add(1)
			drift, err := w.kernel.Repair(ctx)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if len(drift) > 0 {
				w.drift <- drift
			}
		})
	})
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("WatchRules: %v", err)
			}
		case <-time.After(busy):
			t.Error("WatchRules does not end")
		}
	})
	for end := time.Now().Add(busy); w.looks.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody looks")
		}
	}
	time.Sleep(2 * legacyEvery) // and has looked
	return w
}

// await returns what the next repair found.
func (w *watched) await() []string {
	w.t.Helper()
	select {
	case drift := <-w.drift:
		return drift
	case <-time.After(busy):
		w.t.Fatal("a change was not noticed")
		return nil
	}
}

// TestRepairWithinASecond has another program change the rules, and measures
// until they are back: a second on a machine that has nothing else to do.
func TestRepairWithinASecond(t *testing.T) {
	backends(t, func(t *testing.T) {
		w := newWatched(t, "repair")
		before := w.saved()
		cases := []struct{ name, change, want string }{
			{"filter flushed", "iptables -F", "ip4 filter: the hook in FORWARD is missing"},
			{"nat flushed", "ip6tables -t nat -F", "ip6 nat: chain TUNIC-LAN was changed"},
			{"hook removed", "iptables -D FORWARD -j TUNIC-FORWARD", "ip4 filter: the hook in FORWARD is missing"},
			{"rule removed", "ip6tables -t mangle -D TUNIC-POST 1", "ip6 mangle: chain TUNIC-POST was changed"},
			{"foreign rule in front", "iptables -I FORWARD 1 -j ACCEPT", "ip4 filter: the hook in FORWARD is not the first rule"},
		}
		for _, c := range cases {
			begin := time.Now()
			w.run(c.change)
			drift := w.await()
			t.Logf("%s: repaired in %v: %q", c.name, time.Since(begin).Round(time.Millisecond), drift)
			if !slices.Contains(drift, c.want) {
				t.Errorf("%s: drift %q, want %q", c.name, drift, c.want)
			}
			if last := drift[len(drift)-1]; w.kernel.version.Backend == BackendNFT && !strings.HasPrefix(last, "changed by ip") {
				t.Errorf("%s: the last line does not say who: %q", c.name, last)
			}
		}
		w.run("iptables -D FORWARD -j ACCEPT")
		after := w.saved()
		for end := time.Now().Add(busy); after != before && time.Now().Before(end); after = w.saved() {
			time.Sleep(100 * time.Millisecond)
		}
		if after != before {
			t.Errorf("the rules are now\n%s\nand were\n%s", after, before)
		}
	})
}

// TestWatchIsQuiet: neither our own changes nor those of others that do not
// matter start anything, and a repair does not lead to another. Only nf_tables
// tells who it was.
func TestWatchIsQuiet(t *testing.T) {
	useBackend(t, "nft")
	w := newWatched(t, "quiet")
	in := household()
	for range 3 {
		in.OwnTor = !in.OwnTor
		w.apply(w.kernel, compile(t, in))
	}
	w.run("iptables -N DOCKER")
	w.run("iptables -A DOCKER -j RETURN")
	time.Sleep(500 * time.Millisecond)
	if n := w.looks.Load(); n != 1 {
		t.Errorf("%d looks, and only the first one is for nothing", n)
	}
	w.run("iptables -F")
	w.await()
	time.Sleep(1500 * time.Millisecond)
	if n := w.looks.Load(); n < 2 || n > 4 {
		t.Errorf("%d looks for one change", n-1)
	}
	if drift := w.verify(w.kernel, compile(t, in)); len(drift) != 0 {
		t.Errorf("after the repair: %q", drift)
	}
}

// TestFight has another program put its rule in front again and again.
func TestFight(t *testing.T) {
	w := newWatched(t, "fight")
	for range 12 {
		w.run("iptables -D FORWARD -j TUNIC-FORWARD")
		limit := time.Now().Add(busy)
		for !strings.Contains(w.run("iptables -S FORWARD"), "TUNIC-FORWARD") {
			if time.Now().After(limit) {
				t.Fatal("the hook does not come back")
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if n := w.looks.Load(); n > 40 {
		t.Errorf("%d looks for 12 changes", n)
	}
}

// BenchmarkLegacyProbe is what a box with legacy tables spends ten times a second.
func BenchmarkLegacyProbe(b *testing.B) {
	n := newNode(b, "probe")
	n.run("iptables-legacy -A INPUT -j ACCEPT")
	n.do(func() {
		p, err := newLegacyProbe()
		if err != nil {
			b.Error(err)
			return
		}
		defer p.close()
		if p.look()[0].entries == 0 {
			b.Error("the filter table is not seen")
		}
		for b.Loop() {
			p.look()
		}
	})
}
