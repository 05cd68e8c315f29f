package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/feature/settings"
	"tunic/gateway/supervise"
)

func runCommand(a *app) *cobra.Command {
	var verbose, heir bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Run closes the household, starts tor and everything else, opens the household
when all of it works, and keeps it so. It runs until SIGTERM or Ctrl-C, and
leaves the household closed. SIGHUP reads the configuration again.`,
		Example: "  sudo tunic run --verbose",
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(io.MultiWriter(a.err, &a.recent), &slog.HandlerOptions{Level: level}))
			if heir {
				return ofDaemon(a.runHeir(cmd.Context(), log))
			}
			return ofDaemon(a.run(cmd.Context(), log))
		},
	}
	c.Flags().BoolVar(&verbose, "verbose", false, "log details")
	c.Flags().BoolVar(&heir, heirFlag, false, "take the place of the daemon that has started this")
	_ = c.Flags().MarkHidden(heirFlag) // it is there
	return c
}

// heirFlag is a word of `tunic upgrade`'s.
const heirFlag = "heir"

// ofDaemon tells a service manager apart what starting again cannot mend.
func ofDaemon(err error) error {
	if err == nil {
		return nil
	}
	f := *explain(err)
	if f.code == exitUsage {
		f.code = exitConfig
	}
	return &f
}

// run makes the daemon, which works until ctx ends. One that cannot start closes the
// household.
func (a *app) run(ctx context.Context, log *slog.Logger) error {
	if a.uid != 0 {
		return &failure{exitFailed, errors.New("the daemon must be started as root"), "use sudo, or systemctl start tunic"}
	}
	modest()
	lock, err := box.TakeLock(a.paths())
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := box.CheckVersion(a.paths().State); err != nil {
		return a.closeInstead(ctx, err)
	}
	settings.TakeBackAtStart(a.paths(), log)
	d, err := a.gather(ctx, log)
	if err != nil {
		return a.closeInstead(ctx, err)
	}
	sockets := &supervise.Listeners{}
	defer sockets.Close()
	door, err := listenAPI(ctx, sockets, a.paths())
	if err != nil {
		return a.closeInstead(ctx, err)
	}
	d.lock, d.api = lock, sockets
	return d.run(ctx, door, nil)
}

// modest makes the daemon small: it decides, and carries nothing. With one processor no
// idle thread of Go's is woken by each socket that another one opens (decision 53), and
// garbage is collected before there is as much as what is in use.
func modest() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(50)
}

// closeInstead closes the household because the daemon cannot start, and says
// so only if it did.
func (a *app) closeInstead(ctx context.Context, cause error) error {
	f := *explain(cause)
	switch err := a.lockdownAlone(ctx); {
	case err == nil, errors.As(err, new(config.Errors)): // closed, for every interface
		f.hint = strings.TrimPrefix(f.hint+"; the household is closed until this is right", "; ")
	case err.Error() != cause.Error():
		f.err = errors.Join(f.err, fmt.Errorf("closing the household: %w", err))
	}
	return &f
}
