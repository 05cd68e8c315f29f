package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tunic/rules"
)

// Teardown removes our hooks and chains, whichever version made them, and
// nothing else; where there are none it does nothing. It opens the box. The
// filter tables, which close, go last. One table's failure does not keep it
// from the others; all errors are joined.
func (k *Kernel) Teardown(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, name := range []string{"nat", "mangle", "filter"} {
		for _, f := range rules.Families() {
			if err := k.removeTable(ctx, tableID{f, name}); err != nil {
				errs = append(errs, fmt.Errorf("removing rules from %v %s: %w", f, name, err))
			}
		}
	}
	return errors.Join(errs...)
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

func unhookCommands(now listing, table string) []string {
	var commands []string
	for _, h := range rules.HooksOf(table) {
		for range now.count(h) {
			commands = append(commands, "-D "+h.Builtin+" "+h.Rule())
		}
	}
	return commands
}
