//go:build lab

package netfilter

import (
	"fmt"
	"regexp"
	"strings"

	"tunic/rules"
)

// partner is a rule that stands behind or before another one, so that nobody
// misses it alone: it is tried without that one. Those of TUNIC-INPUT are tried
// with the second wall there.
type partner struct {
	setting    string
	rule, with string // expressions for "CHAIN RULE"
}

func partners() []partner {
	open, direct, closed, named, lost := settings()[0].name, settings()[1].name, settings()[2].name, settings()[6].name, settings()[7].name
	emptied, otherEmptied := settings()[12].name, settings()[13].name
	answer := `^TUNIC-POST -m connmark ! --mark \S+ -m conntrack --ctdir REPLY -j DROP$`
	return []partner{
		{open, `^TUNIC-INPUT -i lan1 -p (icmp|ipv6-icmp) -m conntrack --ctstate DNAT -j DROP$`, answer},
		{named, `^TUNIC-INPUT -m devgroup --src-group \S+ -p (icmp|ipv6-icmp) -m conntrack --ctstate DNAT -j DROP$`, answer},
		{closed, `^TUNIC-INPUT -p tcp -m tcp --dport 9249 -j DROP$`,
			answer + `|^TUNIC-OUTPUT -p tcp -m tcp --tcp-flags RST RST -m conntrack --ctdir REPLY -j DROP$`},
		{emptied, `^TUNIC-LEAVE -d (10|fdc7)\S* -j RETURN$`, `^TUNIC-POST -d (10|fdc7)\S* -j DROP$`},
		{otherEmptied, `^TUNIC-GATE -s \S+ -j RETURN$`, `^TUNIC-POST -s (192|2001|fd77)\S* -j DROP$`},
		{open, `^TUNIC-FORWARD -o lan1 -g TUNIC-TO$`, `^TUNIC-FORWARD (-d .*-g TUNIC-TO|-j DROP)$`},
		{lost, `^TUNIC-FORWARD -d \S+ -g TUNIC-TO$`, `^TUNIC-FORWARD -j DROP$`},
		{named, `^TUNIC-FORWARD -m devgroup --dst-group \S+ -g TUNIC-TO$`, `^TUNIC-FORWARD (-d .*-g TUNIC-TO|-j DROP)$`},
		{open, `^TUNIC-OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 137 -j DROP$`, `^TUNIC-OUTPUT -m conntrack --ctstate INVALID -j DROP$`},
		{direct, `^TUNIC-OUTPUT -d (10|fdc7)\S* -j TUNIC-REFUSE$`, `^TUNIC-POST -d (10|fdc7)\S* -j DROP$`},
		{open, `^TUNIC-POST -s (192|2001|fd77)\S* -j DROP$`, `^TUNIC-POLICY -j TUNIC-REFUSE$`},
		{open, `^TUNIC-POST -d (10|fdc7)\S* -j DROP$`, `^TUNIC-POLICY -d (10|fdc7)\S* -j TUNIC-REFUSE$`},
	}
}

// pairs tries the rules of a setting that have a partner.
func (tr *trials) pairs(h *house, s setting, set rules.Ruleset, wall bool) {
	for _, p := range partners() {
		if p.setting == s.name && (s.emptied || strings.HasPrefix(p.rule, "^TUNIC-INPUT ")) == wall {
			tr.pair(h, s, set, p)
		}
	}
}

// pair tries those rules of a partner that nobody has missed.
func (tr *trials) pair(h *house, s setting, set rules.Ruleset, p partner) {
	h.t.Helper()
	less := without(set, []string{p.with})
	for _, m := range mutants(less) {
		if tr.noticed[m.String()] != "" || !regexp.MustCompile(p.rule).MatchString(m.chain+" "+m.rule) {
			continue
		}
		h.apply(less)
		if s.emptied {
			h.empty()
		}
		h.flush()
		shots, base := h.steady(s.shots, m.family)
		h.load(less, m, true)
		if who, ok := h.confirmed(shots, base, []rules.Family{m.family})[m.family]; ok {
			tr.noticed[m.String()] = fmt.Sprintf("%s, without %s: %s", s.name, p.with, who)
			h.t.Logf("%v: %s", m, tr.noticed[m.String()])
		}
		h.load(less, m, false)
	}
	h.apply(set)
	if s.emptied {
		h.empty()
	}
}

// steady are the shots with the same outcome three times, and that outcome, which
// without the partner may be another than the one wanted.
func (h *house) steady(shots []shot, f rules.Family) ([]shot, map[rules.Family][]string) {
	base := h.shoot(shots, f)[f]
	for range 2 {
		h.flush()
		var kept []shot
		var outcomes []string
		for i, got := range h.shoot(shots, f)[f] {
			if got == base[i] {
				kept, outcomes = append(kept, shots[i]), append(outcomes, got)
			}
		}
		shots, base = kept, outcomes
	}
	return shots, map[rules.Family][]string{f: base}
}
