//go:build lab

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"tunic/gateway/config"
)

// rulesVariable names the file for the table of rules and who misses them. It
// takes some minutes, so only `make leaks-mutants` sets it.
const rulesVariable = "TUNIC_RULES_REPORT"

// miss is one rule and what noticed that it was gone; "" is nobody.
type miss struct {
	family, rule, noticed string
}

// testRules takes each rule out in turn, in each family, and wants something to
// notice: a class leaks that this layer held alone, or a probe fails. The laptop
// goes direct and the nas is an onion device meanwhile, so that all rules are
// used; then the laptop is blocked.
func testRules(w *world) {
	defer w.mirror()()
	defer w.forwardPort()()
	w.policy("laptop", config.PolicyDirect)
	w.policy("nas", config.PolicyOnion)
	defer w.noPolicy("nas")
	defer w.noPolicy("laptop")
	rows := w.frozen(func(intact ruleset) []miss { return w.missing(intact, nil, probes()) })
	w.policy("laptop", config.PolicyBlock)
	rows = w.frozen(func(intact ruleset) []miss { return w.missing(intact, rows, blockedProbes()) })
	if err := os.WriteFile(os.Getenv(rulesVariable), []byte(mutantPage(rows)), 0o644); err != nil {
		w.Error(err)
	}
	unnoticed := 0
	for _, r := range rows {
		if r.noticed == "" && reason(r.rule) == "" {
			w.Errorf("nothing notices that %s %q is gone", r.family, r.rule)
			unnoticed++
		}
	}
	w.Logf("%d rules, %d that nothing notices", len(rows), unnoticed)
}

// frozen runs with the daemon asleep, so that it does not put rules back.
func (w *world) frozen(run func(intact ruleset) []miss) []miss {
	w.Helper()
	w.one(syscall.SIGSTOP, "tunic", "run")
	intact := w.saveRules()
	defer func() {
		w.restoreRules(intact)
		w.signal(syscall.SIGCONT, "tunic", "run")
		w.must("gateway", "tunic", "reload")
		w.ready()
	}()
	return run(intact)
}

// missing tries all rules, or of earlier results only those that nobody missed.
func (w *world) missing(intact ruleset, earlier []miss, probes []probe) []miss {
	w.Helper()
	for _, p := range probes {
		if err := p.run(w); err != nil {
			w.Errorf("with all rules: %s: %v", p.name, err)
		}
	}
	var rows []miss
	for _, tool := range tools {
		for _, rule := range intact.own(tool) {
			i := slices.IndexFunc(earlier, func(m miss) bool { return m.family == tool && m.rule == rule })
			if i >= 0 && earlier[i].noticed != "" {
				rows = append(rows, earlier[i])
				continue
			}
			m := miss{tool, rule, w.notices(intact, tool, rule, probes)}
			w.Logf("%s %s: %s", m.family, m.rule, m.noticed)
			rows = append(rows, m)
		}
	}
	return rows
}

// own lists our rules of one family, hooks too.
func (r ruleset) own(tool string) []string {
	var found []string
	for line := range strings.SplitSeq(r[tool], "\n") {
		if rule, ok := strings.CutPrefix(line, "-A "); ok && strings.Contains(rule, "TUNIC-") && !slices.Contains(found, rule) {
			found = append(found, rule)
		}
	}
	return found
}

// notices returns what notices that a rule is gone.
func (w *world) notices(intact ruleset, tool, rule string, probes []probe) string {
	w.Helper()
	for _, h := range holders() {
		if h.matches(rule) && w.holds(intact, tool, rule, h) {
			return "class " + h.class.id + ", " + h.class.what
		}
	}
	less := intact.less(tool, func(line string) bool { return line == rule })
	for _, p := range probes {
		if !regexp.MustCompile(p.rules).MatchString(rule) {
			continue
		}
		w.restoreRules(less)
		w.flushConntrack()
		err := p.run(w)
		w.restoreRules(intact)
		if err != nil {
			if strings.Contains(rule, "--uid-owner") {
				w.arrives() // tor was cut off, and comes back
			}
			return "probe " + p.name
		}
	}
	return ""
}

// holder is a class with one of its layers: alone it holds the class.
type holder struct {
	layer string
	other []string // layers to take out, so that it is alone
	class class
}

func (h holder) matches(rule string) bool { return regexp.MustCompile(h.layer).MatchString(rule) }

// holders are the layers of all classes, and the hooks that lead to them.
func holders() []holder {
	var all []holder
	for _, c := range classes() {
		for _, layer := range c.layers {
			all = append(all, holder{layer, slices.DeleteFunc(slices.Clone(c.layers), func(l string) bool { return l == layer }), c})
		}
		for _, hook := range []struct {
			id, layer string
			other     []string
		}{
			{"L04", `^FORWARD -j TUNIC-FORWARD$`, []string{layerPost}},
			{"L04", `^TUNIC-FORWARD .*-j TUNIC-FROM$`, []string{layerPost}},
			{"M04", `^TUNIC-FORWARD .*-j TUNIC-TO$`, nil},
			{"L44", `^INPUT -j TUNIC-INPUT$`, nil},
			{"L44", `^TUNIC-CLOSED -j DROP$`, nil},
			{"L33", `^OUTPUT -j TUNIC-OUTPUT$`, nil},
			{"L36", `^POSTROUTING -j TUNIC-POST$`, []string{layerPolicy}},
		} {
			if hook.id == c.id {
				all = append(all, holder{hook.layer, hook.other, c})
			}
		}
	}
	return all
}

// holds reports whether the layer alone holds the class, and without the rule
// does not. Layers of the other family stay; so do, in a second try, those that
// drop what is invalid, since most layers leave that to them.
func (w *world) holds(intact ruleset, tool, rule string, h holder) bool {
	w.Helper()
	leaks := func(gone func(line string) bool) bool {
		w.restoreRules(intact.less(tool, gone))
		w.flushConntrack()
		o := w.observe([]class{h.class}, nil)[0]
		w.restoreRules(intact)
		w.flushConntrack()
		return len(o.leaked) > 0
	}
	alone := func(line string) bool { return line == rule }
	if leaks(alone) {
		return true
	}
	for _, other := range [][]string{h.other, slices.DeleteFunc(slices.Clone(h.other), func(l string) bool { return l == layerInvalid })} {
		others := func(line string) bool { return h.besides(line, rule, other) }
		if leaks(func(line string) bool { return alone(line) || others(line) }) && !leaks(others) {
			return true
		}
	}
	return false
}

// besides reports whether a line is of another layer, or of the same one in
// another chain.
func (h holder) besides(line, rule string, other []string) bool {
	chain, _, _ := strings.Cut(rule, " ")
	if h.matches(line) {
		return !strings.HasPrefix(line, chain+" ")
	}
	return slices.ContainsFunc(other, func(l string) bool { return regexp.MustCompile(l).MatchString(line) })
}

// less returns the rules without those of ours, in one family, that are gone.
func (r ruleset) less(tool string, gone func(rule string) bool) ruleset {
	less := make(ruleset)
	for name, text := range r {
		less[name] = text
	}
	less[tool] = strings.Join(slices.DeleteFunc(strings.Split(r[tool], "\n"), func(line string) bool {
		rule, ok := strings.CutPrefix(line, "-A ")
		return ok && gone(rule)
	}), "\n")
	return less
}

// spares are rules that nothing here misses, because others stand in front of
// or behind them, or because they are for another cabling; with the reason.
var spares = map[string]string{
	`^TUNIC-REFUSE -j DROP$`:                                 "nothing passes the rule before it; it stands for a kernel that cannot refuse",
	`^TUNIC-FROM .*--mark 0x[23]000000.*--ctdir REPLY`:       "one-arm use alone, where answers come in by the household's interface: TestOneArm",
	`^TUNIC-POST -d (169|224|255|fe80|ff00)\S* -o`:           "the box's own packets pass by their source a few rules on; nobody else's are routed there",
	`^TUNIC-POST -d (127|::1)\S* -j DROP$`:                   "the kernel routes no packet to a loopback address by an uplink; the other half of a pair",
	`^TUNIC-OUTPUT .*(--icmp-type 5|--icmpv6-type 137) `:     "one-arm use alone: TestOneArm",
	`^TUNIC-POST -s \S+/(16|48) -j DROP$`:                    "a last net behind OUTPUT and FORWARD, which refuse virtual addresses",
	`^TUNIC-POST .*! --mark 0x0/0xf000000 .*REPLY -j DROP$`:  "a last net for answers to devices whose network has gone",
	`^TUNIC-(OWN|SNAT) -d (169|224|255|fe80|ff00)`:           "TCP and masquerading of link-local and group addresses: nothing uses them",
	`^TUNIC-OWN -d (127|::1)`:                                "the rule for the loopback interface stands before it",
	`^TUNIC-OWN -d \S+ -p tcp -j REDIRECT`:                   "the redirect at the end has the same effect; it stands before exceptions that an owner may add",
	`^TUNIC-OWN -p tcp .*--dport 53 `:                        "the redirect at the end has the same effect but for household resolvers: TestOwnTraffic",
	`^TUNIC-OUTPUT .*(INVALID|--ctstate NEW) -j DROP$`:       "the redirect of the box's own TCP holds mid-stream segments too",
	`^TUNIC-TO .*INVALID -j DROP$`:                           "no later rule of the chain lets an invalid packet pass",
	`^TUNIC-OUTPUT -m owner --uid-owner \d+ -j TUNIC-REFUSE`: "for own-traffic = direct, where the rule at the end is not",
	`^TUNIC-INPUT .*--dport 9253`:                            "tor's DNSPort listens on loopback alone; the rule stands for one that does not",
	`^TUNIC-OUTPUT .*--icmpv6-type 134`:                      "the rule for group addresses of the household passes it too",
}

// reason says why nothing misses a rule; "" is not known.
func reason(rule string) string {
	for expression, why := range spares {
		if regexp.MustCompile(expression).MatchString(rule) {
			return why
		}
	}
	return ""
}

// mutantPage is the table, in Markdown.
func mutantPage(rows []miss) string {
	var b, left strings.Builder
	noticed := 0
	for _, r := range rows {
		if r.noticed == "" {
			fmt.Fprintf(&left, "| %s | `%s` | %s |\n", r.family, r.rule, reason(r.rule))
			continue
		}
		noticed++
	}
	fmt.Fprintf(&b, "# Rules, taken out one at a time\n\nWritten by `make leaks-mutants`; do not edit. %d rules, %d missed by a class or a probe, %d by none.\n\n", len(rows), noticed, len(rows)-noticed)
	b.WriteString("## Missed by none\n\n| | rule | why |\n|---|---|---|\n" + left.String())
	b.WriteString("\n## All rules\n\n| | rule | who notices that it is gone |\n|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", r.family, r.rule, r.noticed)
	}
	return b.String()
}
