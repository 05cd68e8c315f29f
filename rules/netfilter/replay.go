package netfilter

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"tunic/rules"
)

// iptables sends each table as a transaction of its own, and before each the
// kernel waits for what the one before has deleted: six of them are 80 ms. So
// iptables translates a rule once, in a chain to which nobody jumps; what it has made of
// it is read from the kernel and kept, and the change itself is one transaction of all
// tables of both families. iptables sees no difference, and is asked afterwards.

// spareChain is where iptables loads rules so that we can read what it makes of them. No
// packet meets it, and no other process has it. It goes with the transaction that sends them
// or, after a failure, with the chains of other versions (settle).
var spareChain = rules.ChainPrefix + "SPARE-" + strconv.Itoa(os.Getpid())

// written is a rule as the kernel holds it. A rule about a device is the same for
// each: mac is that of the one it was read from, 6 bytes, or nil.
type written struct {
	expressions []byte // NFTA_RULE_EXPRESSIONS without its header, counters at 0; nil: iptables prints another rule
	userdata    []byte // NFTA_RULE_USERDATA likewise; nil: none
	mac         []byte
	handle      uint64 // where it was read
}

// ruleKey is a rule of one table, by what iptables was told, without the device.
type ruleKey struct {
	table tableID
	text  string
}

// maxWritten is how many rules are kept: those of a bypass come and go without end.
const maxWritten = 4096

const macOption = "--mac-source "

// withoutMAC takes the device out of a rule; nil if it is about none.
func withoutMAC(rule string) (string, net.HardwareAddr) {
	before, rest, found := strings.Cut(rule, macOption)
	if !found {
		return rule, nil
	}
	word, after, _ := strings.Cut(rest, " ")
	mac, err := net.ParseMAC(word)
	if err != nil || len(mac) != 6 {
		return rule, nil
	}
	return before + macOption + "* " + after, mac
}

func keyOf(id tableID, rule string) ruleKey {
	text, _ := withoutMAC(rule)
	return ruleKey{id, text}
}

// find returns a rule as it is to be sent, and whether it can be.
func (k *Kernel) find(id tableID, rule string) (written, bool) {
	text, mac := withoutMAC(rule)
	w := k.written[ruleKey{id, text}]
	if w.expressions == nil {
		return w, false
	}
	if mac != nil {
		w.expressions = bytes.Replace(w.expressions, w.mac, mac, 1)
	}
	return w, true
}

// knows reports whether all rules of a chain can be sent.
func (k *Kernel) knows(id tableID, c rules.Chain) bool {
	return !slices.ContainsFunc(c.Rules, func(rule string) bool { return k.written[keyOf(id, rule)].expressions == nil })
}

// replay loads chains in one transaction. It reports false, and has changed nothing that
// packets meet, where iptables has to do it: for hooks and new chains, where it prints rules
// otherwise than they are written, and where it or the kernel refuses.
func (k *Kernel) replay(ctx context.Context, loads []load, now state) bool {
	if k.version.Backend != BackendNFT || !stand(loads, now) {
		return false
	}
	spares := k.spares(loads)
	err := k.learn(ctx, spares)
	if err == nil {
		err = k.carryOut(spares, loads, now)
	}
	if err != nil {
		k.log.Debug("rules are loaded by iptables", "error", err)
	}
	return err == nil
}

// stand reports whether all chains and hooks are there, so that only rules are to be loaded.
func stand(loads []load, now state) bool {
	return !slices.ContainsFunc(loads, func(l load) bool {
		absent := func(c rules.Chain) bool { _, there := now[idOf(l.table)][c.Name]; return !there }
		return len(l.hooks) > 0 || slices.ContainsFunc(l.chains, absent)
	})
}

// spares are the rules that iptables has not translated yet, in a spare chain of each table that
// has some. Of rules that differ by their device alone it is one.
func (k *Kernel) spares(loads []load) []load {
	if len(k.written) > maxWritten {
		k.written = nil
	}
	var spares []load
	for _, l := range loads {
		spare := rules.Chain{Name: spareChain}
		seen := make(map[ruleKey]bool)
		for _, c := range l.chains {
			for _, rule := range c.Rules {
				key := keyOf(idOf(l.table), rule)
				if _, known := k.written[key]; !known && !seen[key] {
					seen[key] = true
					spare.Rules = append(spare.Rules, rule)
				}
			}
		}
		if len(spare.Rules) > 0 {
			spares = append(spares, load{table: rules.Table{Family: l.table.Family, Name: l.table.Name}, chains: []rules.Chain{spare}})
		}
	}
	return spares
}

// learn has iptables load spare chains and keeps what it has made of their rules, if there was no
// other change of nf_tables meanwhile: then they hold just these rules, in their order. How
// iptables prints them is seen when they have been sent.
func (k *Kernel) learn(ctx context.Context, spares []load) error {
	if len(spares) == 0 {
		return nil
	}
	before := k.generation()
	if err := k.load(ctx, spares, false); err != nil {
		return err
	}
	found := make(map[ruleKey]written)
	for _, l := range spares {
		if err := read(idOf(l.table), l.chains[0], found); err != nil {
			return err
		}
	}
	if after := k.generation(); before == 0 || after != before+uint32(len(spares)) { // a transaction each
		return fmt.Errorf("between the changes %d and %d of rules another program has made some", before, after)
	}
	if k.written == nil {
		k.written = make(map[ruleKey]written)
	}
	maps.Copy(k.written, found)
	return nil
}

// read reads from the kernel what iptables has made of the rules of a chain.
func read(id tableID, c rules.Chain, found map[ruleKey]written) error {
	list, err := readChain(id, c.Name)
	if err != nil {
		return err
	}
	if len(list) != len(c.Rules) {
		return fmt.Errorf("chain %s of %v has %d rules in place of %d", c.Name, id, len(list), len(c.Rules))
	}
	for i, rule := range c.Rules {
		_, mac := withoutMAC(rule)
		w := list[i]
		w.mac = mac
		if mac != nil && bytes.Count(w.expressions, mac) != 1 {
			return fmt.Errorf("the device of %q is not where it should be", rule)
		}
		found[keyOf(id, rule)] = w
	}
	return nil
}

// carryOut sends the transaction: it removes the spare chains and fills those of the loads.
func (k *Kernel) carryOut(spares, loads []load, now state) error {
	var b batch
	b.begin()
	for _, l := range spares {
		b.empty(idOf(l.table), spareChain)
		b.drop(idOf(l.table), spareChain)
	}
	for _, l := range loads {
		for _, c := range l.chains {
			if !k.knows(idOf(l.table), c) {
				return fmt.Errorf("iptables prints rules of %s otherwise than they are written", c.Name)
			}
			k.rewrite(&b, idOf(l.table), c, now[idOf(l.table)][c.Name])
		}
	}
	b.end()
	err := k.own.send(b)
	if err != nil {
		k.written = nil
	}
	return err
}

// long is from how many rules on a chain is changed where it differs.
const long = 64

// rewrite makes a chain of what it should be: all of it or, where it is long and
// holds what we know, what lies between the first and the last rule that differ.
func (k *Kernel) rewrite(b *batch, id tableID, c rules.Chain, now []string) {
	before, after := 0, 0 // how many rules stay, at both ends
	old := k.applied[id].rulesOf(c.Name, now)
	for before < min(len(old), len(c.Rules)) && old[before] == c.Rules[before] {
		before++
	}
	for after < min(len(old), len(c.Rules))-before && old[len(old)-1-after] == c.Rules[len(c.Rules)-1-after] {
		after++
	}
	var there []written
	if before > 0 && len(c.Rules) >= long && before+after > len(c.Rules)/2 {
		there, _ = readChain(id, c.Name) // without it the whole chain is sent
	}
	if len(there) == 0 || len(there) != len(old) {
		b.empty(id, c.Name)
		for _, rule := range c.Rules {
			w, _ := k.find(id, rule)
			b.add(id, c.Name, 0, w, protocolOf(rule))
		}
		return
	}
	for _, w := range there[before : len(there)-after] {
		b.remove(id, c.Name, w.handle)
	}
	for _, rule := range slices.Backward(c.Rules[before : len(c.Rules)-after]) { // each behind the same
		w, _ := k.find(id, rule)
		b.add(id, c.Name, there[before-1].handle, w, protocolOf(rule))
	}
}

// rulesOf are the rules of a chain as they were loaded, if the kernel still has
// what it printed then.
func (a applied) rulesOf(chain string, now []string) []string {
	i := slices.IndexFunc(a.wanted.Chains, func(w rules.Chain) bool { return w.Name == chain })
	if i < 0 || !slices.Equal(a.kernel[chain], now) {
		return nil
	}
	return a.wanted.Chains[i].Rules
}

// confirm reports whether iptables prints the chains as they were wanted. If not, all that was
// kept is forgotten, and what it prints otherwise is left to it.
func (k *Kernel) confirm(loads []load, now state) bool {
	same, otherwise := true, make(map[ruleKey]written)
	for _, l := range loads {
		for _, c := range l.chains {
			printed := now[idOf(l.table)][c.Name]
			same = same && len(printed) == len(c.Rules)
			for i, rule := range c.Rules[:min(len(printed), len(c.Rules))] {
				if !samePrinted(rule, printed[i]) {
					same = false
					otherwise[keyOf(idOf(l.table), rule)] = written{}
				}
			}
		}
	}
	if !same {
		k.written = otherwise
	}
	return same
}

// protocolNames are those of /etc/protocols by which iptables prints the numbers
// that an owner may name.
var protocolNames = map[string]string{"igmp": "2", "ipencap": "4", "ipv6": "41", "gre": "47", "esp": "50", "ah": "51", "ospf": "89",
	"pim": "103", "vrrp": "112", "sctp": "132"}

// samePrinted reports whether a rule is printed as it was written.
func samePrinted(rule, printed string) bool {
	return rule == printed || canonical(rule) == canonical(printed)
}

// canonical is a rule with its protocol first and by number where that has no match
// of its own, and addresses without the length of a whole one.
func canonical(rule string) string {
	words := strings.Fields(rule)
	var protocol, rest []string
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "-p":
			if i+1 == len(words) {
				return rule
			}
			if n := len(rest); n > 0 && rest[n-1] == "!" {
				protocol, rest = append(protocol, "!"), rest[:n-1]
			}
			i++
			name := words[i]
			if number, ok := protocolNames[name]; ok {
				name = number
			}
			protocol = append(protocol, name)
		default:
			word := words[i]
			if i > 0 && (words[i-1] == "-s" || words[i-1] == "-d") {
				word = wholeAddress(word)
			}
			rest = append(rest, word)
		}
	}
	return strings.Join(append(protocol, rest...), " ")
}

func wholeAddress(word string) string {
	if strings.Contains(word, ":") {
		return strings.TrimSuffix(word, "/128")
	}
	return strings.TrimSuffix(word, "/32")
}
