package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"tunic/gateway"
)

// reloadOnHangup reads the configuration again at each SIGHUP until ctx ends.
func reloadOnHangup(ctx context.Context, log *slog.Logger, g *gateway.Gateway) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := g.Reload(ctx); err != nil {
				log.Error("reloading failed", "error", err)
			}
		}
	}
}
