//go:build lab

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab/house"
)

// testLeaks sends every class by itself in the steady state.
func testLeaks(w *world) {
	defer w.containers()()
	var outcomes []outcome
	for _, c := range classes() {
		w.run(c.id+" "+c.what, func(w *world) {
			o := w.observe([]class{c}, nil)[0]
			o.verdict(w)
			outcomes = append(outcomes, o)
		})
	}
	col := w.record(stateSteady, outcomes)
	w.Logf("%d classes, %d packets sent, %d leaked", len(outcomes), col.sent(), len(col.leaked()))
}

// testMutants sends every class without its rules: a test that cannot fail proves nothing.
func testMutants(w *world) {
	defer w.containers()()
	w.unguarded(func(leaks func(*world, class) outcome) {
		for _, c := range classes() {
			if c.unheld != "" {
				continue
			}
			w.run(c.id+" "+c.what, func(w *world) {
				if o := leaks(w, c); len(o.leaked) > 0 {
					w.results.without[c.id] += len(o.leaked)
					w.Logf("%d of %d, the first: %s", len(o.leaked), o.count, o.leaked[0])
				}
			})
		}
	})
}

// unguarded hands do what sends a class without the rules of netfilter that hold it, and
// without the second wall, when it has to leak. The daemon sleeps meanwhile, so that it does
// not put the rules back.
func (w *world) unguarded(do func(leaks func(*world, class) outcome)) {
	w.Helper()
	if n := w.signal(syscall.SIGSTOP, "tunic", "run"); n != 1 {
		w.Fatalf("%d daemons were stopped", n)
	}
	intact := w.saveRules()
	w.raze()
	defer func() {
		w.restoreRules(intact)
		w.signal(syscall.SIGCONT, "tunic", "run")
		w.must("gateway", "tunic", "reload")
		w.ready()
	}()
	do(func(w *world, c class) outcome {
		w.restoreRules(intact.without(w, append([]string{layerSink}, c.layers...)))
		w.flushConntrack()
		o := w.observe([]class{c}, nil)[0]
		w.restoreRules(intact)
		w.flushConntrack()
		if len(o.leaked) == 0 {
			w.Errorf("%s does not leak without its rules %q either: the test proves nothing (%d sent)", c.what, c.layers, o.count)
		}
		return o
	})
}

// ruleset is what iptables-save prints, by tool.
type ruleset house.Rules

// saveRules returns the gateway's rules of both families.
func (w *world) saveRules() ruleset {
	w.Helper()
	saved, err := house.SaveRules(w.ctx, w.lab, "gateway")
	if err != nil {
		w.Fatal(err)
	}
	return ruleset(saved)
}

// restoreRules loads them, as another program would: all at once.
func (w *world) restoreRules(r ruleset) {
	w.Helper()
	if err := house.Rules(r).Restore(w.ctx, w.lab, "gateway"); err != nil {
		w.Fatal(err)
	}
}

// without returns the rules less those of ours that match an expression. Each
// expression must match something, or the test is about a rule of yesterday.
func (r ruleset) without(w *world, layers []string) ruleset {
	w.Helper()
	less := make(ruleset)
	found := make(map[string]bool)
	for tool, text := range r {
		lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
			rule, ok := strings.CutPrefix(line, "-A ")
			return ok && slices.ContainsFunc(layers, func(layer string) bool {
				hit := regexp.MustCompile(layer).MatchString(rule)
				found[layer] = found[layer] || hit
				return hit
			})
		})
		less[tool] = strings.Join(lines, "\n")
	}
	for _, layer := range layers {
		if !found[layer] {
			w.Errorf("no rule matches %q", layer)
		}
	}
	return less
}

// canonical is the text without what differs each time.
func (r ruleset) canonical() string { return house.Rules(r).String() }

func (w *world) flushConntrack() {
	w.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		w.must("gateway", "conntrack", "-F", "-f", family)
	}
}

// testRefusals: what cannot go through Tor is refused at once, so that
// programs fall back instead of hanging.
func testRefusals(w *world) {
	w.pause(time.Second) // the kernel limits the rate of its refusals to each device (icmp(7), icmp_ratelimit)
	for _, c := range classes() {
		for _, to := range c.refused {
			network, address, _ := strings.Cut(to, " ")
			begin := time.Now()
			err := w.provoke(network, address)
			if took := time.Since(begin); !isRefused(err) || took > atOnce {
				w.Errorf("%s %s: %s: %v after %v", c.id, c.what, to, err, took.Round(time.Millisecond))
			}
		}
	}
}

// atOnce is how fast a refusal must be: less than the second after which TCP asks again (RFC 6298, section 2).
const atOnce = 900 * time.Millisecond

// provoke sends a datagram from the phone, or opens a connection, and returns
// what came of it.
func (w *world) provoke(network, address string) error {
	conn, err := w.phone.Dial(w.ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}
