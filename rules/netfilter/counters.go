package netfilter

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"tunic/rules"
)

// Counters asks the kernel how many packets have matched each rule of our
// chains since it was loaded, by "TABLE CHAIN", in the order of the rules.
func (k *Kernel) Counters(ctx context.Context, f rules.Family) (map[string][]uint64, error) {
	counts := make(map[string][]uint64)
	for _, table := range []string{"filter", "mangle", "nat"} {
		out, err := k.own.run(ctx, "", k.families[f].list, "--wait", waitSeconds, "-t", table, "-v", "-S")
		if err != nil {
			return nil, fmt.Errorf("reading counters: %w", err)
		}
		parseCounters(counts, table, out)
	}
	return counts, nil
}

// parseCounters reads lines "-A CHAIN RULE -c PACKETS BYTES -j TARGET".
func parseCounters(counts map[string][]uint64, table, text string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "-A" || !strings.HasPrefix(words[1], rules.ChainPrefix) {
			continue
		}
		key := table + " " + words[1]
		counts[key] = append(counts[key], packets(words))
	}
}

// packets finds the last "-c": a comment of nobody's stands in our rules.
func packets(words []string) uint64 {
	for i := len(words) - 3; i >= 2; i-- {
		if words[i] != "-c" {
			continue
		}
		if n, err := strconv.ParseUint(words[i+1], 10, 64); err == nil {
			return n
		}
	}
	return 0
}
