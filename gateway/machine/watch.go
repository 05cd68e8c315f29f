package machine

import (
	"context"
	"log/slog"
	"time"

	"tunic/gateway/supervise"
	"tunic/rules/netfilter"
)

// Woken is who acts on what happens to the machine.
type Woken interface {
	Wake()
	RulesDrifted(lines []string) // another program changed the rules, and they were put back
}

// GuardRules puts the rules back when another program changes them. It does not
// wait for the gateway's passes: one of them may be busy with tor for seconds.
func GuardRules(ctx context.Context, log *slog.Logger, k *netfilter.Kernel, g Woken) error {
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

// WatchInterfaces calls wake when interfaces or addresses change. When the kernel
// ends the subscription it starts again, and what has changed in between is looked at then.
func WatchInterfaces(ctx context.Context, log *slog.Logger, wake func()) error {
	changed := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-changed:
				wake()
			case <-ctx.Done():
				return
			}
		}
	}()
	return supervise.Keep(ctx, "interface events", log, supervise.Backoff{Min: time.Second, Max: time.Minute, Healthy: time.Minute},
		func(ctx context.Context) error { return netfilter.Watch(ctx, changed) })
}
