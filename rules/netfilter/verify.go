package netfilter

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tunic/rules"
)

// Verify compares the kernel with what it printed right after the last Apply
// of that ruleset, and returns one line for each thing that somebody else has
// changed; none means that all is well. After a failed Apply, or for another
// ruleset than the last, it says so for each table.
func (k *Kernel) Verify(ctx context.Context, set rules.Ruleset) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.look(ctx, rules.Families()...)
	if err != nil {
		return nil, fmt.Errorf("verifying rules: %w", err)
	}
	var drift []string
	for _, t := range set.Tables {
		drift = append(drift, k.drift(t, now)...)
	}
	wall, err := k.Wall()
	if err != nil {
		return nil, fmt.Errorf("verifying rules: %w", err)
	}
	return append(drift, wall...), nil
}

// drift compares one table with what was applied last.
func (k *Kernel) drift(t rules.Table, now state) []string {
	id := idOf(t)
	lines := slices.Concat(hookDrift(now[id], t.Name), chainDrift(k.applied[id], t, now[id]))
	for i, line := range lines {
		lines[i] = id.String() + ": " + line
	}
	return lines
}

func hookDrift(now listing, table string) []string {
	var drift []string
	for _, h := range rules.HooksOf(table) {
		switch {
		case now.count(h) == 0:
			drift = append(drift, "the hook in "+h.Builtin+" is missing")
		case now.count(h) > 1:
			drift = append(drift, "the hook in "+h.Builtin+" is there more than once")
		case !now.hooked(h):
			drift = append(drift, "the hook in "+h.Builtin+" is not the first rule")
		}
	}
	return drift
}

func chainDrift(last applied, t rules.Table, now listing) []string {
	var drift []string
	if !last.wanted.Equal(t) {
		drift = append(drift, "other rules than these were applied")
	}
	for _, name := range slices.Sorted(maps.Keys(last.kernel)) {
		got, there := now[name]
		switch {
		case !there:
			drift = append(drift, "chain "+name+" is missing")
		case !slices.Equal(got, last.kernel[name]):
			drift = append(drift, "chain "+name+" was changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.own())) {
		if _, known := last.kernel[name]; !known {
			drift = append(drift, "chain "+name+" was added")
		}
	}
	return drift
}
