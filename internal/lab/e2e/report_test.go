//go:build lab

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// results is what the suite has seen of classes and states.
type results struct {
	columns []column
	without map[string]int // packets that leaked, by class, when its rules were removed
}

// column is what was seen in one state.
type column struct {
	state    string
	outcomes []outcome
}

// record keeps what was seen in a state for the report.
func (w *world) record(state string, outcomes []outcome) column {
	c := column{state, outcomes}
	w.results.columns = append(w.results.columns, c)
	return c
}

// sent counts packets. When all classes are sent together one may be of
// several, and is counted once.
func (c column) sent() int {
	total, unique := 0, make(map[string]bool)
	for _, o := range c.outcomes {
		total += o.count - len(o.seen)
		for _, line := range o.seen {
			unique[line] = true
		}
	}
	return total + len(unique)
}

// leaked returns the packets that leaked. When all classes are sent together a
// packet counts against each, and is here once.
func (c column) leaked() []string {
	unique := make(map[string]bool)
	for _, o := range c.outcomes {
		for _, line := range o.leaked {
			unique[line] = true
		}
	}
	return slices.Sorted(maps.Keys(unique))
}

// cell is what happened to one line of the list in one state: packets sent,
// leaked.
func (c column) cell(e entry) string {
	if slices.Contains(e.states, c.state) {
		return fmt.Sprintf("%d/%d", c.sent(), len(c.leaked()))
	}
	of := column{state: c.state}
	for _, o := range c.outcomes {
		if o.id == e.id {
			of.outcomes = append(of.outcomes, o)
		}
	}
	if of.outcomes == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", of.sent(), len(of.leaked()))
}

const reportHead = `# Leak classes, sent and watched

Written by ` + "`make leaks`" + `; do not edit. Every class is sent for real in a lab: from a household device, from the
box itself or from the internet side. A cell is *packets sent / packets leaked*: the first is counted where no rule has
judged yet, the second on a capture of everything that the gateway sends towards the internet, where only tor's
connections to relays may be. In all states but "steady" the classes are sent together: a packet may be of several
classes, one that left would count against each of them, and sums count it once. The column "without" has what leaked
when the rules that hold the class were taken out: a test that cannot fail proves nothing; "-" is a class that no rule
holds.

`

// page is the report, in Markdown.
func (r *results) page() string {
	var b strings.Builder
	sent, leaked := 0, 0
	for _, c := range r.columns {
		sent += c.sent()
		leaked += len(c.leaked())
	}
	b.WriteString(reportHead)
	fmt.Fprintf(&b, "**%d classes of traffic in %d states: %d packets sent, %d leaked.** %d entries are in the list.\n\n",
		len(classes()), len(r.columns), sent, leaked, len(catalog()))
	r.writeSummary(&b)
	r.writeStates(&b)
	r.writeTable(&b)
	r.writeOthers(&b)
	return b.String()
}

// writeSummary says for each entry by what it is shown.
func (r *results) writeSummary(b *strings.Builder) {
	of := make(map[string][]string)
	rows := r.rows()
	for _, e := range catalog() {
		how := "By tests of their own, which are named below the matrix"
		switch {
		case strings.HasPrefix(e.held, "nothing"):
			how = "Held by nothing that a gateway could do; found and told"
		case slices.ContainsFunc(rows, func(row entry) bool { return row.id == e.id }):
			how = "In the matrix, with packets counted in every state"
		}
		of[how] = append(of[how], e.id)
	}
	for _, how := range slices.Sorted(maps.Keys(of)) {
		fmt.Fprintf(b, "- %s (%d): %s.\n", how, len(of[how]), strings.Join(of[how], ", "))
	}
	b.WriteByte('\n')
}

// rows are the entries that have cells.
func (r *results) rows() []entry {
	return slices.DeleteFunc(catalog(), func(e entry) bool {
		return !slices.ContainsFunc(r.columns, func(c column) bool { return c.cell(e) != "" })
	})
}

func (r *results) writeStates(b *strings.Builder) {
	b.WriteString("## States\n\n| | state | sent | leaked |\n|---|---|---|---|\n")
	for i, c := range r.columns {
		fmt.Fprintf(b, "| S%d | %s | %d | %d |\n", i+1, c.state, c.sent(), len(c.leaked()))
	}
	b.WriteString("\nNot a column: the time at boot before `tunic lockdown` has run. " +
		"No rule of ours is there yet, and what leaves then no\n" +
		"test of rules can hold. The order of the units does: tunic-lockdown.service comes before network-pre.target, that is\n" +
		"before any interface has an address (`TestLockdownIsFirst`).\n\n")
}

func (r *results) writeTable(b *strings.Builder) {
	b.WriteString("## Classes\n\n| id | class | held by | without |")
	for i := range r.columns {
		fmt.Fprintf(b, " S%d |", i+1)
	}
	b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", len(r.columns)) + "\n")
	for _, e := range catalog() {
		fmt.Fprintf(b, "| %s | %s | %s | %s |", e.id, e.what, e.held, r.leakedWithout(e.id))
		for _, c := range r.columns {
			fmt.Fprintf(b, " %s |", c.cell(e))
		}
		b.WriteByte('\n')
	}
}

// leakedWithout is the column "without".
func (r *results) leakedWithout(id string) string {
	if n := r.without[id]; n > 0 {
		return fmt.Sprint(n)
	}
	if slices.ContainsFunc(classes(), func(c class) bool { return c.id == id && c.unheld != "" }) {
		return "-"
	}
	return ""
}

// writeOthers lists other tests, and what no test here can show.
func (r *results) writeOthers(b *strings.Builder) {
	rows := r.rows()
	b.WriteString("\n## By tests of their own, or found and told\n\n")
	for _, e := range catalog() {
		if slices.ContainsFunc(rows, func(row entry) bool { return row.id == e.id }) {
			continue
		}
		fmt.Fprintf(b, "- **%s** %s.%s\n", e.id, e.what, evidence(e))
	}
	b.WriteString("\n## Further tests of classes in the matrix\n\n")
	for _, e := range rows {
		if words := evidence(e); words != "" {
			fmt.Fprintf(b, "- **%s**%s\n", e.id, words)
		}
	}
}

// evidence is where an entry is shown, and what is beyond that.
func evidence(e entry) string {
	var b strings.Builder
	for i, name := range e.tests {
		dir, test, _ := strings.Cut(name, " ")
		b.WriteString(map[bool]string{true: " ", false: ", "}[i == 0])
		fmt.Fprintf(&b, "`%s` in %s", test, dir)
	}
	if len(e.tests) > 0 {
		b.WriteByte('.')
	}
	if e.beyond != "" {
		b.WriteString(" " + strings.ToUpper(e.beyond[:1]) + e.beyond[1:])
	}
	return b.String()
}
