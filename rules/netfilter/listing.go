package netfilter

import (
	"context"
	"slices"
	"strings"

	"tunic/rules"
)

// listing is what the kernel has in one table: the rules of each chain, as
// "iptables -S" prints them.
type listing map[string][]string

// list asks for a whole table at once: the drift check runs often, and to ask
// for each chain alone would be forty processes.
func (k *Kernel) list(ctx context.Context, t tableID) (listing, error) {
	out, err := k.own.run(ctx, "", k.families[t.family].list, "--wait", waitSeconds, "-t", t.name, "-S")
	if err != nil {
		return nil, err
	}
	return parseListing(out), nil
}

// parseListing reads lines "-P INPUT ACCEPT", "-N CHAIN" and "-A CHAIN RULE".
func parseListing(text string) listing {
	chains := make(listing)
	for line := range strings.Lines(text) {
		command, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, rule, _ := strings.Cut(rest, " ")
		switch {
		case name == "":
		case command == "-P", command == "-N":
			chains[name] = nil
		case command == "-A":
			chains[name] = append(chains[name], rule)
		}
	}
	return chains
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
