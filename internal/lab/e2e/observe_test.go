//go:build lab

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
	"tunic/internal/lab/internet"
)

// side is where a class's packets are counted before any rule has seen them.
type side string

const (
	household side = "the household" // class.sent is a BPF expression; the phone sends
	box       side = "the gateway"   // class.sent is a match of iptables, in both families
	outside   side = "the internet"  // class.sent is a BPF expression

	containers side = "a container" // class.sent is a match of iptables, on what comes in
)

// class is one kind of traffic that must not leave, or must not come in.
type class struct {
	id, what string
	from     side
	send     func(*world) error
	sent     string // which packets count as sent
	count    int    // how many there must be at least; 0 means 1

	arrives string                    // BPF: packets in the household that count as a leak too; "" for none
	asked   func(internet.Query) bool // questions that no server outside may ever get, not even from an exit; nil for none
	refused []string                  // "udp ADDRESS:PORT" that a program on the phone must see refused at once

	// layers are the rules without which the class leaks, as expressions for
	// "CHAIN RULE". Only classes that no rule holds have none; then unheld says
	// what does.
	layers []string
	unheld string
}

// outcome is what happened to one class.
type outcome struct {
	class
	count  int      // packets sent
	seen   []string // the same, one line each; none of the box and its containers
	leaked []string // what was seen outside, one line each
}

// settle is how long a packet may take until it is in a capture, on a machine
// that is busy.
const settle = 250 * time.Millisecond

// observe sends classes, all of them before it looks, and says what happened to
// each. What was seen on the uplink is everybody's: it is in all outcomes. The
// function during, if not nil, is called with the sending, so that it can make
// and end a state around it.
func (w *world) observe(classes []class, during func(send func())) []outcome {
	w.Helper()
	wan, lan, asked := w.wan.MustMark(w), w.lan.MustMark(w), len(w.queries())
	counters := w.addCounters(classes)
	send := func() {
		for _, c := range classes {
			if err := c.send(w); err != nil {
				w.Errorf("%s %s: sending: %v", c.id, c.what, err)
			}
		}
		w.pause(settle)
	}
	if during == nil {
		send()
	} else {
		during(send)
	}
	boxed := w.readCounters(counters)
	foreign := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter("gateway"))
	questions := w.queries()[asked:]
	var outcomes []outcome
	for i, c := range classes {
		o := outcome{class: c, leaked: slices.Concat(foreign, strangers(questions, c))}
		switch c.from {
		case household:
			o.seen = w.lan.MustLines(w, lan, c.sent)
		case outside:
			o.seen = w.wan.MustLines(w, wan, "ether src 02:00:00:00:00:80 and ("+c.sent+")")
		case box, containers:
			o.count = boxed[i]
		}
		o.count += len(o.seen)
		if c.arrives != "" {
			o.leaked = append(o.leaked, w.lan.MustLines(w, lan, c.arrives)...)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// strangers lists the questions that did not come from the Tor network, and
// those that must not come at all.
func strangers(questions []internet.Query, c class) []string {
	var found []string
	for _, q := range questions {
		if !ofRelay(q.Client.Addr().Unmap()) || c.asked != nil && c.asked(q) {
			found = append(found, fmt.Sprintf("%s asked %s %s over %s", q.Client, q.Type, q.Name, q.Net))
		}
	}
	return found
}

// ofRelay reports whether an address is on the machine of the relays. They ask
// from any of its addresses.
func ofRelay(a netip.Addr) bool {
	return slices.ContainsFunc(lab.TorRelays(), func(r lab.Relay) bool { return a == r.Addr4 || a == r.Addr6 })
}

func (w *world) queries() []internet.Query {
	w.Helper()
	q, err := w.lab.Queries()
	if err != nil {
		w.Fatal(err)
	}
	return q
}

// counting are the chains of the raw table, where nothing has judged a packet
// yet, by who sends.
var counting = map[side]string{box: "OUTPUT", containers: "PREROUTING"}

// addCounters inserts a rule without a target for each class that the box or a
// container sends. It returns the indexes of the classes in the order of the
// rules.
func (w *world) addCounters(classes []class) map[side][]int {
	w.Helper()
	order := make(map[side][]int)
	for i, c := range classes {
		chain, ok := counting[c.from]
		if !ok {
			continue
		}
		for _, tool := range house.Tools {
			w.must("gateway", slices.Concat([]string{tool, "-w", "-t", "raw", "-A", chain}, strings.Fields(c.sent))...)
		}
		order[c.from] = append(order[c.from], i)
	}
	return order
}

// readCounters returns the packets of each class and removes the rules.
func (w *world) readCounters(order map[side][]int) map[int]int {
	w.Helper()
	packets := make(map[int]int)
	for from, classes := range order {
		for _, tool := range house.Tools {
			rules := strings.Split(w.must("gateway", tool, "-w", "-t", "raw", "-nvxL", counting[from]), "\n")[2:]
			if len(rules) != len(classes) {
				w.Fatalf("%s has %d rules that count, not %d: %q", tool, len(rules), len(classes), rules)
			}
			for i, rule := range rules {
				n, err := strconv.Atoi(strings.Fields(rule)[0])
				if err != nil {
					w.Fatal(err)
				}
				packets[classes[i]] += n
			}
			w.must("gateway", tool, "-w", "-t", "raw", "-F", counting[from])
		}
	}
	return packets
}

// verdict fails the test if a class was not really sent, or leaked.
func (o outcome) verdict(w *world) {
	w.Helper()
	if want := max(o.class.count, 1); o.count < want {
		w.Errorf("%s %s: %d packets were seen in %s, at least %d were to be sent", o.id, o.what, o.count, o.from, want)
	}
	if len(o.leaked) > 0 {
		w.Errorf("%s %s: %d leaked, the first: %s", o.id, o.what, len(o.leaked), o.leaked[0])
	}
}
