package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tunic/rules"
)

// listing is what the kernel has in one table: the rules of each chain, as
// "iptables -S" prints them.
type listing map[string][]string

// state is what the kernel has in all tables of one or both families. A table
// that is not loaded is empty.
type state map[tableID]listing

// look asks for all tables of some families, a process for each at a time: the
// drift check runs often, and to ask for each chain would be forty. None is started
// where nothing is, as at boot.
func (k *Kernel) look(ctx context.Context, families ...rules.Family) (state, error) {
	jobs := make(map[rules.Family]*job)
	now := make(state)
	for _, f := range families {
		if k.bare(f) {
			for _, name := range tableNames {
				now[tableID{f, name}] = nil
			}
			continue
		}
		jobs[f] = k.own.start(ctx, "", k.families[f].save)
	}
	out, err := waitAll(jobs)
	if err != nil {
		return nil, fmt.Errorf("listing rules: %w", err)
	}
	for f := range jobs {
		tables, err := parseSaved(out[f])
		if err != nil {
			return nil, fmt.Errorf("listing %v rules: %w", f, err)
		}
		for _, name := range tableNames {
			now[tableID{f, name}] = tables[name]
		}
	}
	return now, nil
}

// waitAll waits for all programs and joins their errors.
func waitAll(jobs map[rules.Family]*job) (map[rules.Family]string, error) {
	out := make(map[rules.Family]string)
	var errs []error
	for _, f := range rules.Families() {
		if j, ok := jobs[f]; ok {
			text, err := j.wait()
			out[f], errs = text, append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// errIncompatible is of a table with rules that iptables cannot show.
var errIncompatible = errors.New("another program has put rules into it that iptables cannot print; see them with `nft list ruleset`")

// parseSaved reads what iptables-save prints: "*filter", then its chains,
// ":INPUT ACCEPT [0:0]", and rules, "-A CHAIN RULE", then "COMMIT". A table that
// it could not read is there as a comment.
func parseSaved(text string) (map[string]listing, error) {
	tables := make(map[string]listing)
	var chains listing
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		first, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "# Table `") && strings.Contains(line, "incompatible"):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "# Table `"), "'")
			if slices.Contains(tableNames, name) {
				return nil, fmt.Errorf("table %s: %w", name, errIncompatible)
			}
		case strings.HasPrefix(line, "*"):
			chains = make(listing)
			tables[line[1:]] = chains
		case chains == nil:
		case strings.HasPrefix(first, ":") && len(first) > 1:
			chains[first[1:]] = nil
		case first == "-A":
			if name, rule, _ := strings.Cut(rest, " "); name != "" {
				chains[name] = append(chains[name], rule)
			}
		}
	}
	return tables, nil
}

// own returns only our chains.
func (l listing) own() listing {
	chains := make(listing)
	for name, lines := range l {
		if strings.HasPrefix(name, rules.ChainPrefix) {
			chains[name] = lines
		}
	}
	return chains
}

// hooked says whether the hook stands first in its chain, and only there.
func (l listing) hooked(h rules.Hook) bool {
	return slices.Index(l[h.Builtin], h.Rule()) == 0 && l.count(h) == 1
}

func (l listing) count(h rules.Hook) int {
	n := 0
	for _, rule := range l[h.Builtin] {
		if rule == h.Rule() {
			n++
		}
	}
	return n
}
