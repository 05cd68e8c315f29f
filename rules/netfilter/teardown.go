package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tunic/rules"
)

// Teardown removes our hooks, chains and the wall, whichever version made them, takes the
// household's interfaces out of their group, and nothing else; where there are none it does nothing. It opens the box. The
// filter tables, which close, go last, and after them the wall. One table's failure does not keep it
// from the others; all errors are joined.
func (k *Kernel) Teardown(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, name := range slices.Backward(tableNames) {
		for _, f := range rules.Families() {
			if err := k.removeTable(ctx, tableID{f, name}); err != nil {
				errs = append(errs, fmt.Errorf("removing rules from %v %s: %w", f, name, err))
			}
		}
	}
	return errors.Join(append(errs, removeWall(), ungroup())...)
}

// removeTable takes our part out of a table in one step.
func (k *Kernel) removeTable(ctx context.Context, id tableID) error {
	now, err := k.builtins(id)
	if err != nil {
		return err
	}
	chains, err := k.families[id.family].tables.ListChains(id.name)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(chains, func(name string) bool { return !strings.HasPrefix(name, rules.ChainPrefix) })
	commands := slices.Concat(unhookCommands(now, id.name), deleteCommands(own))
	delete(k.applied, id)
	if len(commands) == 0 {
		return nil
	}
	return k.restore(ctx, id.family, rules.Table{Family: id.family, Name: id.name}.Text(commands...))
}

// builtins asks for the built-in chains that have a hook of ours.
func (k *Kernel) builtins(id tableID) (listing, error) {
	chains := make(listing)
	for _, h := range rules.HooksOf(id.name) {
		lines, err := k.families[id.family].tables.List(id.name, h.Builtin)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", h.Builtin, err)
		}
		for _, line := range lines {
			if rule, ok := strings.CutPrefix(line, "-A "+h.Builtin+" "); ok {
				chains[h.Builtin] = append(chains[h.Builtin], rule)
			}
		}
	}
	return chains, nil
}

func unhookCommands(now listing, table string) []string {
	var commands []string
	for _, h := range rules.HooksOf(table) {
		for range now.count(h) {
			commands = append(commands, "-D "+h.Builtin+" "+h.Rule())
		}
	}
	return commands
}
