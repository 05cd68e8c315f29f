package rules

import (
	"fmt"
	"slices"
	"strings"
)

// free matches connections that leave in clear: the numbers of the policies onion
// and direct differ in their last bit alone.
var free = fmt.Sprintf("-m connmark --mark %#x/%#x", Onion.Mark(), MarkMask&^(1<<MarkShift))

// Of an established connection only the first packets are judged; the others leave
// by a rule that stands first (see sent and answers). So what stands below need
// not let them pass, and does not.
const (
	first       = "-m conntrack --ctstate NEW,RELATED"
	firstAnswer = "-m conntrack --ctstate RELATED --ctdir REPLY" // errors: a helper's connections are new ones (M10)
	answer      = "-m conntrack --ctstate ESTABLISHED --ctdir REPLY"
	original    = "-m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL"
)

// SentMark is the bit of a packet's mark that says that TUNIC-CLASSIFY has found it to
// be what a device sends over an established connection that leaves in clear. Like
// WallMark it belongs to packets. The chains behind still look for themselves at the
// policy, the source, the interface and the destination: only that the packet is no
// first one and no answer they take from it, which iptables can ask conntrack for only
// by a match of its own.
const SentMark uint32 = 0x20000000

var sentMarked = fmt.Sprintf("-m mark --mark %#x/%#x", SentMark, SentMark)

// judged and known match what a device sends by an interface over such a connection: by
// what conntrack knows, or by the mark that was set for that.
func judged(in string) string { return join(in, free, original) }
func known(in string) string  { return join(in, sentMarked, free) }

// leaving match connections that may leave the box unchanged.
func (c compiler) leaving() []string {
	var list []string
	if c.open() {
		list = append(list, free)
	}
	if len(c.Guests) > 0 {
		list = append(list, marked(Portal))
	}
	return list
}

// leavingFirst match those packets of them that are judged: a guest's all.
func (c compiler) leavingFirst() []string {
	list := c.leaving()
	if c.open() {
		list[0] = free + " " + first
	}
	return list
}

// leavingAnswers match what answers them, likewise.
func (c compiler) leavingAnswers() []string {
	list := c.leaving()
	for i := range list {
		list[i] += " " + established + " --ctdir REPLY"
	}
	if c.open() {
		list[0] = free + " " + firstAnswer
	}
	return list
}

// sent ends the way through a chain for what a device sends over an established
// connection that leaves in clear. Neither a source that is not the household's
// nor a virtual destination is among it, whatever the connection was when it was
// opened. A "" among ins is any interface; match is judged or known; beside is the target
// for addresses of networks beside Tor, of which a rule can except no more than one.
func (c compiler) sent(chain *Chain, ins []string, match func(string) string, target, beside string) {
	if !c.open() {
		return
	}
	c.eachBeside(chain, "-d %v "+join(judged(""), beside))
	for _, in := range ins {
		for _, p := range c.prefixes {
			chain.add("-s %v ! -d %v %s %s", p, c.virtual(), match(in), target)
		}
	}
}

// answers ends the way through a chain for what answers such a connection. "" as above.
func (c compiler) answers(chain *Chain, outs []string, target string) {
	if !c.open() {
		return
	}
	for _, out := range outs {
		chain.add("%s %s", join(out, free, answer), target)
	}
}

// join joins the matches of a rule that are not empty.
func join(matches ...string) string {
	return strings.Join(slices.DeleteFunc(matches, func(m string) bool { return m == "" }), " ")
}
