package netfilter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tunic/rules"
)

// attempts is how often a table is tried again when somebody else changed it
// between our look and our change.
const attempts = 5

var waitSeconds = strconv.Itoa(lockSeconds)

// Apply makes the kernel hold exactly that ruleset and its hooks. It may be
// called again at any time, also while another process does the same. A table
// that is as it should be is not loaded again.
//
// The filter tables of both families come first: they are closed to what the
// other tables have not prepared, so any order of the rest is safe. An error
// leaves each table either as it was or as it should be; the caller locks down.
func (k *Kernel) Apply(ctx context.Context, set rules.Ruleset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range []string{"filter", "mangle", "nat"} {
		for _, f := range rules.Families() {
			id := tableID{f, name}
			t, ok := set.Table(f, name)
			if !ok {
				return fmt.Errorf("applying rules: the ruleset has no table %v", id)
			}
			now, err := k.applyTable(ctx, t, k.applied[id])
			if err != nil {
				return fmt.Errorf("applying rules to %v: %w", id, err)
			}
			k.applied[id] = now
		}
	}
	return nil
}

// applyTable replaces our chains and puts the hooks first, in one step, and
// returns what the kernel made of them, for Verify. If the table changes under
// our hands it looks again.
func (k *Kernel) applyTable(ctx context.Context, t rules.Table, last applied) (applied, error) {
	id := tableID{t.Family, t.Name}
	now, err := k.list(ctx, id)
	if err != nil {
		return applied{}, err
	}
	if len(hookDrift(now, t.Name)) == 0 && len(chainDrift(last, t, now)) == 0 {
		return last, nil
	}
	var tried []string
	var failed error
	for range attempts {
		commands := hookCommands(now, t.Name)
		if failed != nil && slices.Equal(commands, tried) {
			return applied{}, failed // nothing has changed: it is the rules themselves
		}
		tried, failed = commands, k.restore(ctx, t.Family, t.Text(commands...))
		if now, err = k.list(ctx, id); err != nil {
			return applied{}, err
		}
		if failed != nil {
			continue
		}
		if stale := staleChains(now, t); len(stale) > 0 {
			now = k.removeStale(ctx, t, stale, now)
		}
		if len(hookDrift(now, t.Name)) == 0 {
			return applied{wanted: t, kernel: now.own()}, nil
		}
	}
	if failed != nil {
		return applied{}, failed
	}
	return applied{}, fmt.Errorf("hooks do not stay first: another program keeps moving them")
}

// builtins asks for the built-in chains that have a hook of ours.
func (k *Kernel) builtins(id tableID) (listing, error) {
	chains := make(listing)
	for _, h := range rules.HooksOf(id.name) {
		lines, err := k.families[id.family].tables.List(id.name, h.Builtin)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", h.Builtin, err)
		}
		chains[h.Builtin] = parseListing(strings.Join(lines, "\n"))[h.Builtin]
	}
	return chains, nil
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

func (k *Kernel) restore(ctx context.Context, f rules.Family, text string) error {
	_, err := k.own.run(ctx, text, k.families[f].restore, "--noflush", "--wait", waitSeconds)
	return err
}

// staleChains are chains of ours that another version left.
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

// removeStale deletes chains and returns what is there then. One that cannot
// go, because somebody's rule jumps to it, does no harm.
func (k *Kernel) removeStale(ctx context.Context, t rules.Table, stale []string, now listing) listing {
	text := rules.Table{Family: t.Family, Name: t.Name}.Text(deleteCommands(stale)...)
	if err := k.restore(ctx, t.Family, text); err != nil {
		k.log.Warn("old chains stay", "table", t.Name, "chains", stale, "error", err)
		return now
	}
	for _, name := range stale {
		delete(now, name)
	}
	return now
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
