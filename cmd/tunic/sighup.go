package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"tunic/gateway"
)

// reloadOnSIGHUP reads the configuration again at each SIGHUP until ctx ends.
func reloadOnSIGHUP(ctx context.Context, log *slog.Logger, g *gateway.Gateway) {
	sighup := make(chan os.Signal, 1)
	signal.Notify(sighup, syscall.SIGHUP)
	defer signal.Stop(sighup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-sighup:
			if err := g.Reload(ctx); err != nil {
				log.Error("reloading failed", "error", err)
			}
		}
	}
}
