package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Flow is the first packet of a connection, as the rules see it.
type Flow struct {
	In       string // the household interface that it arrives on; "" for the box's own
	Out      string // the interface that it leaves on if nothing turns it; "" is none of the household's
	MAC      string // of the sender, lower case with colons; "" for the box's own
	UID      uint32 // owner of the box's own packet
	From     netip.Addr
	To       netip.AddrPort // port 0 for protocols that have none
	Protocol string         // "tcp", "udp", "icmp", "ipv6-icmp", or a number
	Local    bool           // To is an address of the box
}

// Own reports whether the box itself sends it.
func (f Flow) Own() bool { return f.In == "" }

// End says where a flow ends.
type End string

const (
	Passed     End = "passed"     // it goes on to where it was going
	Redirected End = "redirected" // to a port of the box
	Turned     End = "turned"     // to another host
	Refused    End = "refused"    // the sender is told at once
	Dropped    End = "dropped"
)

// Step is one rule that a flow meets and matches.
type Step struct {
	Family Family
	Table  string // of netfilter, or "routing" for the wall
	Chain  string
	Number int    // in its chain, from 1, as "iptables -L --line-numbers" counts
	Rule   string // without "-A CHAIN "
}

// String returns "filter TUNIC-POLICY 3: -j TUNIC-REFUSE".
func (s Step) String() string {
	return fmt.Sprintf("%s %s %d: %s", s.Table, s.Chain, s.Number, s.Rule)
}

// Explanation is what the rules do to a flow.
type Explanation struct {
	End   End
	Port  uint16         // of the box, when redirected
	To    netip.AddrPort // when turned to another host
	Mark  Policy         // what the connection is marked with; 0 if with nothing
	Steps []Step         // in the order in which they match
}

// Explain follows the first packet of a connection through a ruleset, as the
// kernel does. It knows what our own rules are made of and nothing else: an
// error says that the ruleset holds a word that Compile does not write.
//
// Rules of others stand below ours and are not looked at: what passes here may
// still be refused there.
func Explain(set Ruleset, f Flow) (Explanation, error) {
	family := IPv4
	if f.To.Addr().Is6() {
		family = IPv6
	}
	w := walk{set: set, family: family, Flow: f}
	hooks := [][2]string{{"mangle", "PREROUTING"}, {"nat", "PREROUTING"}}
	if f.Own() {
		hooks = [][2]string{{"nat", "OUTPUT"}, {"filter", "OUTPUT"}}
	}
	for i := 0; i < len(hooks); i++ {
		ended, err := w.hook(hooks[i][0], hooks[i][1])
		if ended || err != nil {
			return w.Explanation, err
		}
		if i == 1 {
			if w.walled() {
				return w.Explanation, nil
			}
			hooks = append(hooks, w.rest()...)
		}
	}
	switch {
	case w.End == "":
		w.End = Passed
	case w.End == Redirected && w.Port == sinkPort: // the kernel resets it
		w.End, w.Port = Refused, 0
	}
	return w.Explanation, nil
}

// walk is a packet on its way.
type walk struct {
	Flow
	Explanation
	set    Ruleset
	family Family
	mark   uint32
	table  string
	nat    bool // its destination was changed
	gate   bool // it has WallMark
}

// walled ends what is to be forwarded and must not.
func (w *walk) walled() bool {
	if w.Flow.Own() || w.Local || w.gate {
		return false
	}
	w.Steps = append(w.Steps, Step{Family: w.family, Table: "routing", Chain: "policy", Number: 1, Rule: Swallow.String()})
	w.End = Dropped
	return true
}

// rest are the hooks that follow once the packet's destination is final.
func (w *walk) rest() [][2]string {
	leave := [][2]string{{"mangle", "POSTROUTING"}, {"nat", "POSTROUTING"}}
	switch {
	case w.Flow.Own() && w.Flow.Local:
		w.Out = "lo"
		return leave
	case w.Flow.Own():
		return leave
	case w.Local:
		return [][2]string{{"filter", "INPUT"}}
	}
	return append([][2]string{{"filter", "FORWARD"}}, leave...)
}

// hook reports whether the packet ends there. Where we have no chain it passes.
func (w *walk) hook(table, builtin string) (bool, error) {
	w.table = table
	i := slices.IndexFunc(hooks[:], func(h Hook) bool { return h.Table == table && h.Builtin == builtin })
	if i < 0 {
		return false, nil
	}
	r, err := w.chain(hooks[i].Chain)
	return r == ended, err
}

// result is how a chain or rule is left.
type result int

const (
	goOn     result = iota // the next rule
	returned               // to the chain above
	accepted               // the table is done, the packet goes on
	ended                  // the packet goes no further
)

func (w *walk) chain(name string) (result, error) {
	t, _ := w.set.Table(w.family, w.table)
	i := slices.IndexFunc(t.Chains, func(c Chain) bool { return c.Name == name })
	if i < 0 {
		return goOn, fmt.Errorf("following a packet: there is no chain %s in %v %s", name, w.family, w.table)
	}
	for n, text := range t.Chains[i].Rules {
		matches, target, err := w.match(text)
		if err != nil {
			return goOn, fmt.Errorf("following a packet through %q: %w", text, err)
		}
		if !matches {
			continue
		}
		w.Steps = append(w.Steps, Step{w.family, w.table, name, n + 1, text})
		if r, err := w.target(target); r != goOn || err != nil {
			return r, err
		}
	}
	return goOn, nil
}

// target does what the end of a rule says: its two or more words of match.
func (w *walk) target(words []string) (result, error) {
	verb, name, options := words[0], words[1], words[2:]
	switch name {
	case "RETURN":
		return returned, nil
	case "ACCEPT":
		return accepted, nil
	case "DROP":
		w.End = Dropped
		return ended, nil
	case "REJECT":
		w.End, w.Port = Refused, 0
		return ended, nil
	case "MASQUERADE":
		return accepted, nil
	case "MARK":
		w.gate = true
		return goOn, nil
	case "CONNMARK", "REDIRECT", "DNAT":
		return w.change(name, options)
	}
	if !strings.HasPrefix(name, ChainPrefix) {
		return goOn, fmt.Errorf("following a packet: unknown target %s", name)
	}
	r, err := w.chain(name)
	switch {
	case r == accepted || r == ended || err != nil:
		return r, err
	case verb == "-g":
		return returned, nil // the chain that the packet came from is left too
	}
	return goOn, nil
}

// change marks the connection or gives it another destination.
func (w *walk) change(target string, options []string) (result, error) {
	if target == "REDIRECT" && len(options) == 0 {
		w.redirect(w.Flow.To.Port())
		return accepted, nil
	}
	if len(options) != 2 {
		return goOn, fmt.Errorf("following a packet: %s with %v", target, options)
	}
	switch value := options[1]; target {
	case "CONNMARK":
		mark, mask, err := parseMark(value)
		if err != nil {
			return goOn, err
		}
		w.mark = w.mark&^mask | mark
		w.Mark = Policy(w.mark & MarkMask >> MarkShift)
		return goOn, nil
	case "REDIRECT":
		port, err := parsePort(value)
		if err != nil {
			return goOn, err
		}
		w.redirect(port)
	case "DNAT":
		to, err := netip.ParseAddrPort(value)
		if err != nil {
			return goOn, err
		}
		w.End, w.Flow.To, w.Explanation.To, w.Local, w.nat = Turned, to, to, false, true
	}
	return accepted, nil
}

// redirect gives the packet the box's own address: for the box's own packets
// that of loopback, for others the one of the interface that they came in on,
// on which no rule depends.
func (w *walk) redirect(port uint16) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if w.family == IPv6 {
		loopback = netip.IPv6Loopback()
	}
	w.End, w.Port, w.Local, w.nat = Redirected, port, true, true
	w.Flow.To = netip.AddrPortFrom(loopback, port)
}
