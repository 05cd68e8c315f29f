//go:build lab

package netfilter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/rules"
)

// rulesVariable names the file for the table of rules and who misses them. To
// take each out takes minutes, so only `make leaks-mutants` sets it.
const rulesVariable = "TUNIC_RULES_REPORT"

// TestShots fires all shots in all settings. With rulesVariable it then takes
// out one rule after the other, when some shot has to have another outcome; a
// rule that none of them misses has no reason to be there.
//
// A run that is ended leaves what it knows in a file beside the table, and the
// next one goes on from there if rules and shots are the same. No rule is tried
// by shots that miss with all rules there: they would miss without any of them.
func TestShots(t *testing.T) {
	trials := newTrials()
	if path := os.Getenv(rulesVariable); path != "" {
		if err := trials.resume(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range settings() {
		t.Run(s.name, func(t *testing.T) {
			h := s.build(t)
			set := compile(t, s.input)
			h.apply(set)
			if s.emptied {
				h.empty()
			}
			if !h.hits(s.shots) || os.Getenv(rulesVariable) == "" {
				return
			}
			trials.gates(h, s, set)
			if !s.emptied {
				trials.setting(h, s, set)
			}
		})
	}
	if path := os.Getenv(rulesVariable); path != "" && !t.Failed() { // a table of some of the rules would be none
		if err := os.WriteFile(path, []byte(trials.page()), 0o644); err != nil {
			t.Error(err)
		}
		for _, m := range trials.left() {
			t.Errorf("nothing notices that %v is gone", m)
		}
		if !t.Failed() {
			trials.forget()
		}
		t.Logf("%d rules in %d settings, %d noticed", len(trials.order), len(settings()), len(trials.order)-len(trials.left()))
	}
}

// hits says whether all outcomes are as wanted. A machine that is busy gets a
// second chance.
func (h *house) hits(shots []shot) bool {
	h.t.Helper()
	var wrong map[rules.Family][]int
	var got map[rules.Family][]string
	for range 3 {
		h.flush()
		got = h.shoot(shots, rules.Families()...)
		if wrong = misses(wanted(shots), got); len(wrong) == 0 {
			return true
		}
	}
	for f, list := range wrong {
		for _, i := range list {
			h.t.Errorf("%v: %s: %q, want %q", f, shots[i].name, got[f][i], wanted(shots)[f][i])
		}
	}
	return false
}

// wanted are the outcomes with all rules.
func wanted(shots []shot) map[rules.Family][]string {
	want := make(map[rules.Family][]string)
	for _, f := range rules.Families() {
		e := newEnds(f)
		for _, s := range shots {
			if s.family != 0 && s.family != f {
				want[f] = append(want[f], "")
				continue
			}
			want[f] = append(want[f], e.expand(s.want))
		}
	}
	return want
}

// misses are the shots with another outcome, by family.
func misses(want, got map[rules.Family][]string) map[rules.Family][]int {
	wrong := make(map[rules.Family][]int)
	for f := range got {
		for i := range got[f] {
			if got[f][i] != want[f][i] {
				wrong[f] = append(wrong[f], i)
			}
		}
	}
	return wrong
}

// mutant is a rule, or a hook, that is taken out.
type mutant struct {
	family             rules.Family
	table, chain, rule string
	number             int // in its chain, from 0; -1: a hook
}

func (m mutant) String() string { return fmt.Sprintf("%v %s %s", m.family, m.chain, m.rule) }

// trials are what is known of all rules.
type trials struct {
	order   []string          // all of them, as they came
	noticed map[string]string // by whom
	version string            // of rules and shots
	of      map[string]mutant
	partial string            // the file for noticed
	hints   map[string]string // the shot that noticed the last time, by rule
}

// resume reads what a run before has left: what it knew when it was ended, and
// in the table which shot it was that noticed. That one is tried first, since
// all of them together take seconds.
func (tr *trials) resume(path string) error {
	var err error
	if tr.version, err = version(); err != nil {
		return err
	}
	tr.partial = path + ".partial"
	table, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (ip.) \\| (\\S+) \\| `(.*?)` \\| [^:|]*: ([^|]*?): "+
		"[^|]* \\|$").FindAllStringSubmatch(string(table), -1) {
		tr.hints[ungrouped(row[1]+" "+row[2]+" "+row[3])] = row[4]
	}
	text, err := os.ReadFile(tr.partial)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var known map[string]map[string]string
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	maps.Copy(tr.noticed, known[tr.version])
	return nil
}

// version is that of the rules of all settings and of all shots: what was noticed
// with others says nothing.
func version() (string, error) {
	sum := sha256.New()
	for _, s := range settings() {
		set, err := rules.Compile(s.input)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, s.name, mutants(set))
	}
	files, err := filepath.Glob("*_lab_test.go")
	if err != nil {
		return "", err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// ungrouped is a rule by the name of the interface, if it goes by its group.
func ungrouped(rule string) string {
	rule = regexp.MustCompile(`-m devgroup --src-group \S+`).ReplaceAllString(rule, "-i lan1")
	return regexp.MustCompile(`-m devgroup --dst-group \S+`).ReplaceAllString(rule, "-o lan1")
}

// hinted are the shots that noticed these rules the last time.
func (tr *trials) hinted(shots []shot, gone []mutant) []shot {
	return slices.DeleteFunc(slices.Clone(shots), func(s shot) bool {
		return !slices.ContainsFunc(gone, func(m mutant) bool { return tr.hints[ungrouped(m.String())] == s.name })
	})
}

// keep writes what is known so far. That it cannot costs the next run time.
func (tr *trials) keep(t testing.TB) {
	text, err := json.Marshal(map[string]map[string]string{tr.version: tr.noticed})
	if err == nil {
		err = os.WriteFile(tr.partial, text, 0o644)
	}
	if err != nil {
		t.Logf("keeping what is known: %v", err)
	}
}

func (tr *trials) forget() { _ = os.Remove(tr.partial) } // of no harm if it stays

func newTrials() *trials {
	return &trials{noticed: make(map[string]string), of: make(map[string]mutant), hints: make(map[string]string)}
}

// ofWall are the rules before the second wall. They are tried with the wall
// there, and the others without.
var ofWall = regexp.MustCompile(
	`^TUNIC-(PASS|GATE|HOME|LEAVE|SINK) |TUNIC-(PASS|GATE|SINK)$|--dport 9249 |^TUNIC-INPUT .*-p (icmp|ipv6-icmp) `)

// gates tries the rules before the wall, as they are in use: all there.
func (tr *trials) gates(h *house, s setting, set rules.Ruleset) {
	tr.each(h, s, set, func(m mutant) bool { return ofWall.MatchString(m.chain + " " + m.rule) })
	tr.pairs(h, s, set, true)
}

// empty takes away all tables but mangle, as where another program has flushed
// them: behind the filter hardly a rule before the wall would be missed.
func (h *house) empty() {
	for _, tool := range []string{"iptables", "ip6tables"} {
		h.gateway.run(tool + " -t filter -F")
		h.gateway.run(tool + " -t nat -F")
	}
}

// setting tries the other rules. The second wall is away meanwhile, and what leads
// past it: behind them hardly a rule of TUNIC-FORWARD would be missed.
func (tr *trials) setting(h *house, s setting, set rules.Ruleset) {
	whole := mutants(set)
	s.shots = slices.DeleteFunc(slices.Clone(s.shots), func(s shot) bool { return s.walled })
	set = without(refusedLater(set), []string{ofWall.String()})
	h.razed = true
	h.apply(set)
	if !h.hits(s.shots) {
		return
	}
	tr.each(h, s, set, func(m mutant) bool {
		return slices.ContainsFunc(whole, func(w mutant) bool { return w.String() == m.String() })
	})
	tr.pairs(h, s, set, false)
}

// refusedLater has nat leave to the filter what it leads to be refused at once.
func refusedLater(set rules.Ruleset) rules.Ruleset {
	var later rules.Ruleset
	for _, table := range set.Tables {
		chains := slices.Clone(table.Chains)
		for i, c := range chains {
			chains[i].Rules = slices.Clone(c.Rules)
			for j, rule := range c.Rules {
				chains[i].Rules[j] = strings.Replace(rule, "-g TUNIC-SINK", "-j RETURN", 1)
			}
		}
		later.Tables = append(later.Tables, rules.Table{Family: table.Family, Name: table.Name, Chains: chains})
	}
	return later
}

// each tries those rules that nobody has missed in the settings before, one of
// each family at a time.
func (tr *trials) each(h *house, s setting, set rules.Ruleset, of func(mutant) bool) {
	begin, tried := time.Now(), 0
	queues := make(map[rules.Family][]mutant)
	for _, m := range mutants(set) {
		if !of(m) || !regexp.MustCompile(s.tries).MatchString(m.chain+" "+m.rule) {
			continue
		}
		if _, known := tr.of[m.String()]; !known {
			tr.of[m.String()] = m
			tr.order = append(tr.order, m.String())
		}
		if tr.noticed[m.String()] == "" {
			queues[m.family] = append(queues[m.family], m)
		}
	}
	for len(queues[rules.IPv4])+len(queues[rules.IPv6]) > 0 {
		var now []mutant
		for _, f := range rules.Families() {
			if len(queues[f]) > 0 {
				now, queues[f] = append(now, queues[f][0]), queues[f][1:]
			}
		}
		tried += len(now)
		for m, who := range h.without(set, now, tr.hinted(s.shots, now), s.shots) {
			tr.noticed[m] = s.name + ": " + who
			h.t.Logf("%s: %s", m, who)
		}
		tr.keep(h.t)
	}
	h.t.Logf("%d tried in %v", tried, time.Since(begin).Round(time.Second))
}

// mutants are all rules and hooks.
func mutants(set rules.Ruleset) []mutant {
	var all []mutant
	for _, t := range set.Tables {
		for _, hook := range rules.HooksOf(t.Name) {
			all = append(all, mutant{t.Family, t.Name, hook.Builtin, hook.Rule(), -1})
		}
		for _, c := range t.Chains {
			for i, rule := range c.Rules {
				all = append(all, mutant{t.Family, t.Name, c.Name, rule, i})
			}
		}
	}
	return all
}

// without takes out one rule of each family and says which shot noticed, of the
// first ones or, if none did, of all.
func (h *house) without(set rules.Ruleset, gone []mutant, first, all []shot) map[string]string {
	h.t.Helper()
	families := make(map[rules.Family]mutant)
	for _, m := range gone {
		families[m.family] = m
		h.load(set, m, true)
	}
	who := make(map[string]string)
	for _, shots := range [][]shot{first, all} {
		if len(shots) == 0 || len(families) == 0 {
			continue
		}
		for f, shot := range h.confirmed(shots, wanted(shots), slices.Collect(maps.Keys(families))) {
			who[families[f].String()] = shot
			delete(families, f)
		}
	}
	for _, m := range gone {
		h.load(set, m, false)
	}
	return who
}

// confirmed shoots and returns, for each family, a shot whose outcome is not
// as wanted, twice.
func (h *house) confirmed(shots []shot, want map[rules.Family][]string, families []rules.Family) map[rules.Family]string {
	h.t.Helper()
	h.flush()
	found := make(map[rules.Family]string)
	h.limit = short
	first := h.shoot(shots, families...)
	h.limit = again
	for f, list := range misses(want, first) {
		var missed []shot
		var wantAgain []string
		for _, i := range list {
			missed, wantAgain = append(missed, shots[i]), append(wantAgain, want[f][i])
		}
		h.flush()
		got := h.shoot(missed, f)
		for i := range missed {
			if got[f][i] != wantAgain[i] {
				found[f] = fmt.Sprintf("%s: %s, not %s", missed[i].name, got[f][i], wantAgain[i])
				break
			}
		}
	}
	return found
}

// load puts a chain into the kernel with or without one of its rules.
func (h *house) load(set rules.Ruleset, m mutant, without bool) {
	h.t.Helper()
	text := "*" + m.table + "\n"
	switch {
	case m.number < 0 && without:
		text += fmt.Sprintf("-D %s %s\n", m.chain, m.rule)
	case m.number < 0:
		text += fmt.Sprintf("-I %s 1 %s\n", m.chain, m.rule)
	default:
		text += ":" + m.chain + " - [0:0]\n"
		t, _ := set.Table(m.family, m.table)
		for _, c := range t.Chains {
			for i, rule := range c.Rules {
				if c.Name == m.chain && !(without && i == m.number) {
					text += "-A " + c.Name + " " + rule + "\n"
				}
			}
		}
	}
	h.gateway.do(func() {
		if err := h.kernel.restore(h.t.Context(), m.family, text+"COMMIT\n"); err != nil {
			h.t.Errorf("taking out %v: %v", m, err)
		}
	})
}

// left are the rules that nobody misses.
func (tr *trials) left() []string {
	return slices.DeleteFunc(slices.Clone(tr.order), func(m string) bool { return tr.noticed[m] != "" })
}

// page is the table, in Markdown.
func (tr *trials) page() string {
	var b strings.Builder
	left := tr.left()
	fmt.Fprintf(&b, `# Rules, taken out one at a time

Written by `+"`make leaks-mutants`"+`; do not edit. Each rule of each setting below was taken out alone, in a network of
namespaces with a household, a box and an internet, and all shots of the setting were fired: a shot is something that a
device, the box or the internet sends, with the one outcome that it has to have. A rule is noticed if a shot has another
outcome without it, twice. One that stands behind another rule is tried without that one too, and says so.

**%d rules in %d settings: %d noticed, %d not.**

`, len(tr.order), len(settings()), len(tr.order)-len(left), len(left))
	b.WriteString("| setting | shots | rules |\n|---|---|---|\n")
	for _, s := range settings() {
		set, err := rules.Compile(s.input)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "| %s | %d | %d |\n", s.name, len(s.shots), len(mutants(set)))
	}
	b.WriteString("\n## Noticed by none\n\n")
	for _, m := range left {
		fmt.Fprintf(&b, "- `%s`\n", m)
	}
	if len(left) == 0 {
		b.WriteString("There is none.\n")
	}
	b.WriteString("\n## All rules\n\n| | chain | rule | who notices that it is gone |\n|---|---|---|---|\n")
	for _, id := range tr.order {
		m := tr.of[id]
		fmt.Fprintf(&b, "| %v | %s | `%s` | %s |\n", m.family, m.chain, m.rule, strings.ReplaceAll(tr.noticed[id], "|", "\\|"))
	}
	return b.String()
}
