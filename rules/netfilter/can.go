package netfilter

import (
	"context"

	"tunic/rules"
)

// Buckets reports whether rules can spread devices over buckets (xt_bpf): see
// [rules.BucketRule].
func (k *Kernel) Buckets(ctx context.Context) bool {
	return k.can(ctx, rules.BucketRule(), "devices stand in one list: a new connection takes longer the more there are")
}

// can reports whether this kernel and this iptables know what a rule matches, in both
// families. It tries once, in a chain that is gone again in the same step; otherwise says
// what it means that they do not.
func (k *Kernel) can(ctx context.Context, match, otherwise string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if can, known := k.abilities[match]; known {
		return can
	}
	can := true
	for _, f := range rules.Families() {
		const chain = rules.ChainPrefix + "TRY"
		text := "*filter\n:" + chain + " - [0:0]\n-A " + chain + " " + match + " -j RETURN\n-F " + chain + "\n-X " + chain + "\nCOMMIT\n"
		if err := k.restore(ctx, f, text); err != nil {
			if ctx.Err() != nil {
				return false
			}
			k.log.Info(otherwise, "error", err)
			can = false
			break
		}
	}
	k.abilities[match] = can
	return can
}
