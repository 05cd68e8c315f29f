package netfilter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/rules"
)

// Somebody else may change rules between our look and our change.
const (
	attempts = 10 // how often rules are tried again
	refusals = 3  // after so many times that the same is refused, it is the rules themselves
)

var waitSeconds = strconv.Itoa(lockSeconds)

// tableNames are in the order in which they are loaded: filter, which closes,
// before those which open.
var tableNames = []string{"filter", "mangle", "nat"}

// Apply makes the kernel hold exactly that ruleset and its hooks. It may be
// called again at any time, also while another process does the same. A chain
// that is as it should be is not loaded again.
//
// Within a family the filter table comes first: it is closed to what the other
// tables have not prepared. The families do not wait for each other: no packet
// meets the rules of both. An error leaves each table either as it was or as
// it should be; the caller locks down. The wall comes last, or a packet that may
// pass would meet it without a mark.
func (k *Kernel) Apply(ctx context.Context, set rules.Ruleset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var tables []rules.Table
	for _, f := range rules.Families() {
		for _, name := range tableNames {
			t, ok := set.Table(f, name)
			if !ok {
				return fmt.Errorf("applying rules: the ruleset has no table %v", tableID{f, name})
			}
			tables = append(tables, t)
		}
	}
	err := k.converge(ctx, tables, k.believed(tables))
	if _, wall := k.keepWall(); wall != nil { // it stands also where a table could not be loaded
		err = errors.Join(err, wall)
	}
	if err != nil {
		return fmt.Errorf("applying rules: %w", err)
	}
	return nil
}

// believed is what the kernel holds if nobody has changed anything since we
// looked last; nil if that is not known, or if it is just what the tables say:
// then a look is what the caller wants.
func (k *Kernel) believed(tables []rules.Table) state {
	now, same := make(state), true
	for _, t := range tables {
		id := idOf(t)
		last, ok := k.applied[id]
		if !ok {
			return nil
		}
		same = same && last.wanted.Equal(t)
		l := maps.Clone(last.kernel)
		for _, h := range rules.HooksOf(t.Name) {
			l[h.Builtin] = []string{h.Rule()}
		}
		now[id] = l
	}
	if same {
		return nil
	}
	return now
}

// converge loads what is missing in now, looks again, and goes on until
// nothing is. A nil now is looked for first.
func (k *Kernel) converge(ctx context.Context, tables []rules.Table, now state) error {
	if now == nil {
		var err error
		if now, err = k.look(ctx, families(tables)...); err != nil {
			return err
		}
	}
	var before []load
	var failed error
	refused := 0 // how often in a row
	for range attempts {
		loads := k.missing(tables, now)
		if len(loads) == 0 {
			k.settle(ctx, tables, now)
			return nil
		}
		if failed == nil || !slices.EqualFunc(loads, before, load.equal) {
			refused = 0
		} else if refused++; refused == refusals {
			return failed
		}
		var err error
		before = loads
		if failed, err = k.put(ctx, loads, now, failed != nil); err != nil {
			k.forget(loads)
			return errors.Join(failed, err)
		}
		if failed != nil {
			k.forget(loads)
			stagger(ctx)
			continue
		}
		k.note(loads, now)
	}
	if failed != nil {
		return failed
	}
	return errors.New("hooks do not stay first: another program keeps moving them")
}

// put loads, in one transaction or by iptables, and looks what the kernel has then,
// into now. It returns why it failed; err says that nobody knows what is there.
func (k *Kernel) put(ctx context.Context, loads []load, now state, oneByOne bool) (failed, err error) {
	sent := !oneByOne && k.replay(ctx, loads, now)
	if !sent {
		failed = k.load(ctx, loads, oneByOne)
	}
	seen, err := k.look(ctx, families(tablesOf(loads))...)
	if err != nil {
		return failed, err
	}
	maps.Copy(now, seen)
	if sent && !k.confirm(loads, now) {
		failed = errors.New("iptables prints other rules than were sent")
	}
	return failed, nil
}

// stagger lets another process that does the same go first, or second.
func stagger(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(20 * time.Millisecond)):
	}
}

// load is what must be loaded into one table.
type load struct {
	table  rules.Table // as it should be in the end
	chains []rules.Chain
	hooks  []string // commands that put the hooks first
}

func (l load) text() string {
	return rules.Table{Family: l.table.Family, Name: l.table.Name, Chains: l.chains}.Text(l.hooks...)
}

func (l load) equal(o load) bool { return l.table.Family == o.table.Family && l.text() == o.text() }

func tablesOf(loads []load) []rules.Table {
	var tables []rules.Table
	for _, l := range loads {
		tables = append(tables, l.table)
	}
	return tables
}

func families(tables []rules.Table) []rules.Family {
	return slices.DeleteFunc(rules.Families(), func(f rules.Family) bool {
		return !slices.ContainsFunc(tables, func(t rules.Table) bool { return t.Family == f })
	})
}

// missing compares the tables with what the kernel holds.
func (k *Kernel) missing(tables []rules.Table, now state) []load {
	var loads []load
	for _, t := range tables {
		id := idOf(t)
		l := load{table: t, hooks: hookCommands(now[id], t.Name)}
		last := k.applied[id]
		for _, c := range t.Chains {
			if !last.holds(c, now[id]) {
				l.chains = append(l.chains, c)
			}
		}
		if len(l.chains)+len(l.hooks) > 0 {
			loads = append(loads, l)
		}
	}
	return loads
}

// holds reports whether the chain was loaded as it is wanted now, and is what
// the kernel printed then.
func (a applied) holds(c rules.Chain, now listing) bool {
	i := slices.IndexFunc(a.wanted.Chains, func(w rules.Chain) bool { return w.Name == c.Name })
	got, there := now[c.Name]
	printed, known := a.kernel[c.Name]
	return i >= 0 && there && known && slices.Equal(a.wanted.Chains[i].Rules, c.Rules) && slices.Equal(got, printed)
}

// load loads both families at a time, each in one process, or, to find out
// what is wrong, table by table.
func (k *Kernel) load(ctx context.Context, loads []load, oneByOne bool) error {
	if oneByOne {
		for _, l := range loads {
			if err := k.restore(ctx, l.table.Family, l.text()); err != nil {
				return fmt.Errorf("loading %v: %w", idOf(l.table), err)
			}
		}
		return nil
	}
	text := make(map[rules.Family]string)
	for _, l := range loads {
		text[l.table.Family] += l.text()
	}
	jobs := make(map[rules.Family]*job)
	for f, t := range text {
		jobs[f] = k.own.start(ctx, t, k.families[f].restore, restoreOptions...)
	}
	_, err := waitAll(jobs)
	return err
}

// forget makes sure that what may be half loaded is loaded again.
func (k *Kernel) forget(loads []load) {
	for _, l := range loads {
		delete(k.applied, idOf(l.table))
	}
}

// note keeps what the kernel made of the chains that were loaded.
func (k *Kernel) note(loads []load, now state) {
	for _, l := range loads {
		id := idOf(l.table)
		printed := make(listing)
		for _, c := range l.table.Chains {
			if lines, ok := k.applied[id].kernel[c.Name]; ok {
				printed[c.Name] = lines
			}
		}
		for _, c := range l.chains {
			printed[c.Name] = now[id][c.Name]
		}
		k.applied[id] = applied{wanted: l.table, kernel: printed}
	}
}

// settle removes chains that another version left. One that cannot go, because
// somebody's rule jumps to it, does no harm.
func (k *Kernel) settle(ctx context.Context, tables []rules.Table, now state) {
	for _, t := range tables {
		id := idOf(t)
		if stale := staleChains(now[id], t); len(stale) > 0 {
			k.removeStale(ctx, t, stale, now[id])
		}
		k.applied[id] = applied{wanted: t, kernel: now[id].own()}
	}
}

// hookCommands returns what puts each hook first and leaves one of it: none if
// it is so already. Hooks are removed by what they are, never by their number,
// which might by then be another rule's.
func hookCommands(now listing, table string) []string {
	var commands []string
	for _, h := range rules.HooksOf(table) {
		if now.hooked(h) {
			continue
		}
		for range now.count(h) {
			commands = append(commands, "-D "+h.Builtin+" "+h.Rule())
		}
		commands = append(commands, "-I "+h.Builtin+" 1 "+h.Rule())
	}
	return commands
}

var restoreOptions = []string{"--noflush", "--wait", waitSeconds}

func (k *Kernel) restore(ctx context.Context, f rules.Family, text string) error {
	_, err := k.own.run(ctx, text, k.families[f].restore, restoreOptions...)
	return err
}

// staleChains are chains of ours that the table does not have.
func staleChains(now listing, t rules.Table) []string {
	var stale []string
	for name := range now.own() {
		if !slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return c.Name == name }) {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale
}

// removeStale deletes chains, and takes those that are gone out of now.
func (k *Kernel) removeStale(ctx context.Context, t rules.Table, stale []string, now listing) {
	text := rules.Table{Family: t.Family, Name: t.Name}.Text(deleteCommands(stale)...)
	if err := k.restore(ctx, t.Family, text); err != nil {
		k.log.Warn("old chains stay", "table", t.Name, "chains", strings.Join(stale, " "), "error", err)
		return
	}
	for _, name := range stale {
		delete(now, name)
	}
}

// deleteCommands empties all the chains before it deletes the first: they may
// jump to each other.
func deleteCommands(chains []string) []string {
	var commands []string
	for _, name := range chains {
		commands = append(commands, "-F "+name)
	}
	for _, name := range chains {
		commands = append(commands, "-X "+name)
	}
	return commands
}
