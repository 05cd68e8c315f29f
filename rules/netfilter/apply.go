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
// called again at any time, also while another process does the same.
//
// The filter tables of both families come first: they are closed to what the
// other tables have not prepared, so any order of the rest is safe. An error
// leaves each table either as it was or as it should be; the caller locks down.
func (k *Kernel) Apply(ctx context.Context, set rules.Ruleset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range []string{"filter", "mangle", "nat"} {
		for _, f := range rules.Families() {
			t, ok := set.Table(f, name)
			if !ok {
				return fmt.Errorf("applying rules: the ruleset has no table %s for %v", name, f)
			}
			if err := k.applyTable(ctx, t); err != nil {
				return fmt.Errorf("applying rules to %v %s: %w", f, name, err)
			}
		}
	}
	return nil
}

// applyTable replaces our chains and puts the hooks first, in one step. If the
// table changed under our hands it looks again.
func (k *Kernel) applyTable(ctx context.Context, t rules.Table) error {
	id := tableID{t.Family, t.Name}
	var tried []string
	var failed error
	for range attempts {
		now, err := k.builtins(id)
		if err != nil {
			return err
		}
		commands := hookCommands(now, t.Name)
		if failed != nil && slices.Equal(commands, tried) {
			return failed // nothing has changed: it is the rules themselves
		}
		tried, failed = commands, k.restore(ctx, t.Family, t.Text(commands...))
		if failed != nil {
			continue
		}
		k.removeStale(ctx, t)
		ok, err := k.remember(ctx, t)
		if ok || err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return fmt.Errorf("hooks do not stay first: another program keeps moving them")
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

// removeStale deletes chains of ours that another version left. One that
// cannot go, because somebody's rule jumps to it, does no harm.
func (k *Kernel) removeStale(ctx context.Context, t rules.Table) {
	chains, err := k.families[t.Family].tables.ListChains(t.Name)
	if err != nil {
		k.log.Warn("listing chains failed", "table", t.Name, "error", err)
		return
	}
	stale := slices.DeleteFunc(chains, func(name string) bool {
		wanted := slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return c.Name == name })
		return wanted || !strings.HasPrefix(name, rules.ChainPrefix)
	})
	if len(stale) == 0 {
		return
	}
	text := rules.Table{Family: t.Family, Name: t.Name}.Text(deleteCommands(stale)...)
	if err := k.restore(ctx, t.Family, text); err != nil {
		k.log.Warn("old chains stay", "table", t.Name, "chains", stale, "error", err)
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

// remember keeps what the kernel made of our rules, for Verify. It says
// whether the hooks are in place.
func (k *Kernel) remember(ctx context.Context, t rules.Table) (bool, error) {
	id := tableID{t.Family, t.Name}
	now, err := k.list(ctx, id)
	if err != nil {
		return false, err
	}
	for _, h := range rules.HooksOf(id.name) {
		if !now.hooked(h) {
			return false, nil
		}
	}
	k.applied[id] = applied{wanted: t, kernel: now.own()}
	return true, nil
}
