package main

import (
	"context"
	"log/slog"
	"time"

	"tunic/gateway"
	"tunic/gateway/supervise"
	"tunic/rules/netfilter"
)

// guardRules puts the rules back when another program changes them. It does not
// wait for the gateway's passes: one of them may be busy with tor for seconds.
func guardRules(ctx context.Context, log *slog.Logger, k *netfilter.Kernel, g *gateway.Gateway) error {
	repair := func() {
		lines, err := k.Repair(ctx)
		if len(lines) > 0 {
			g.RulesDrifted(lines)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("putting the rules back failed", "error", err)
			g.Wake() // a pass loads all of them, or closes
		}
	}
	return supervise.Keep(ctx, "rule events", log, supervise.Backoff{Min: time.Second, Max: time.Minute, Healthy: time.Minute},
		func(ctx context.Context) error { return k.WatchRules(ctx, repair) })
}
