package netfilter

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"tunic/rules"
)

// iptables sends each table as a transaction of its own, and before each the
// kernel waits for what the one before has deleted: six of them are 80 ms. So a
// rule goes by iptables the first time, and what it has made of it is read from the
// kernel and kept; a change of which all rules are known so is sent as one
// transaction of all tables of both families. iptables sees no difference, and is
// asked afterwards.

// written is a rule as the kernel holds it. A rule about a device is the same for
// each: mac is that of the one it was read from, 6 bytes, or nil.
type written struct {
	expressions []byte // NFTA_RULE_EXPRESSIONS without its header, counters at 0
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

// find returns a rule as it is to be sent, and whether it is known.
func (k *Kernel) find(id tableID, rule string) (written, bool) {
	text, mac := withoutMAC(rule)
	w, ok := k.written[ruleKey{id, text}]
	if ok && mac != nil {
		w.expressions = bytes.Replace(w.expressions, w.mac, mac, 1)
	}
	return w, ok
}

// knows reports whether all rules of a chain can be sent again.
func (k *Kernel) knows(id tableID, c rules.Chain) bool {
	for _, rule := range c.Rules {
		text, _ := withoutMAC(rule)
		if _, ok := k.written[ruleKey{id, text}]; !ok {
			return false
		}
	}
	return true
}

// replay loads chains in one transaction. It reports false, and has changed
// nothing, where iptables has to do it: because it never has, for a hook, and
// where the kernel refuses.
func (k *Kernel) replay(loads []load, now state) bool {
	if k.version.Backend != BackendNFT {
		return false
	}
	for _, l := range loads {
		id := idOf(l.table)
		unable := func(c rules.Chain) bool {
			_, there := now[id][c.Name]
			return !there || !k.knows(id, c)
		}
		if len(l.hooks) > 0 || slices.ContainsFunc(l.chains, unable) {
			return false
		}
	}
	var b batch
	b.begin()
	for _, l := range loads {
		for _, c := range l.chains {
			k.rewrite(&b, idOf(l.table), c, now[idOf(l.table)][c.Name])
		}
	}
	b.end()
	if err := k.own.send(b); err != nil {
		k.log.Debug("rules go by iptables", "error", err)
		k.written = nil
		return false
	}
	return true
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

// confirmed reports whether iptables prints the chains as they were wanted.
func confirmed(loads []load, now state) bool {
	for _, l := range loads {
		for _, c := range l.chains {
			if !slices.EqualFunc(c.Rules, now[idOf(l.table)][c.Name], samePrinted) {
				return false
			}
		}
	}
	return true
}

// listed is when rules were listed: at which generation of the kernel's, and of which
// families. The zero value is never.
type listed struct {
	generation uint32
	families   []rules.Family
}

// learn keeps what iptables has made of the rules that it loaded last: of those that
// it printed as they were wanted, if nobody has changed any rule since it did. It is
// left for the next change, since to read a thousand rules takes 10 ms, and the first
// change is that at boot.
func (k *Kernel) learn(ctx context.Context) {
	last := k.unread
	k.unread = listed{}
	if last.generation == 0 || k.generation() != last.generation {
		return
	}
	found := make(map[ruleKey]written)
	for id, a := range k.applied {
		if !slices.Contains(last.families, id.family) {
			continue
		}
		for _, c := range a.wanted.Chains {
			if ctx.Err() != nil {
				return
			}
			if k.knows(id, c) {
				continue
			}
			if err := k.read(id, c, a.kernel[c.Name], found); err != nil {
				k.log.Debug("rules stay with iptables", "table", id, "chain", c.Name, "error", err)
				return
			}
		}
	}
	if len(found) == 0 || k.generation() != last.generation {
		return
	}
	if k.written == nil || len(k.written)+len(found) > maxWritten {
		k.written = make(map[ruleKey]written)
	}
	maps.Copy(k.written, found)
}

// read reads a chain from the kernel.
func (k *Kernel) read(id tableID, c rules.Chain, printed []string, found map[ruleKey]written) error {
	list, err := readChain(id, c.Name)
	if err != nil {
		return err
	}
	if len(list) != len(c.Rules) || len(printed) != len(c.Rules) {
		return fmt.Errorf("%d rules, %d printed, %d wanted", len(list), len(printed), len(c.Rules))
	}
	for i, rule := range c.Rules {
		text, mac := withoutMAC(rule)
		w := list[i]
		w.mac = mac
		if samePrinted(rule, printed[i]) && (mac == nil || bytes.Count(w.expressions, mac) == 1) {
			found[ruleKey{id, text}] = w
		}
	}
	return nil
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
