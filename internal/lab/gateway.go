package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tunic/gateway/config"
)

// NASOnionTarget is the nas's web server, as an onion's target.
const NASOnionTarget = "192.168.77.20:8080"

const mainConfig = `[household]
interfaces = ["br-lan"]
default-policy = "tor"
`

const homeOnion = `public = true

[ports]
"70" = "endpoint:gopher"
`

// writeRoot makes the root directory of one gateway: its configuration, the
// lines that put its tor into the lab's network, and a page for Gopher.
func (l *Lab) writeRoot(gateway string, authorities []Authority) error {
	root := l.Root(gateway)
	paths := config.NewPaths(root)
	gopher := filepath.Join(root, "srv/gopher")
	files := map[string]string{
		paths.Main(): mainConfig,
		filepath.Join(paths.TorrcDir(), "lab.conf"):       ClientTorrc(authorities),
		filepath.Join(paths.OnionDir(), "home.toml"):      homeOnion,
		filepath.Join(paths.EndpointDir(), "gopher.toml"): fmt.Sprintf("root = %q\n", gopher),
		filepath.Join(gopher, "welcome.txt"):              fmt.Sprintf("Welcome to the box called %s.\n", gateway),
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making the root of %s: %w", gateway, err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("making the root of %s: %w", gateway, err)
		}
	}
	if err := os.Chmod(paths.Etc, 0o700); err != nil { // as `make install` makes it
		return fmt.Errorf("making the root of %s: %w", gateway, err)
	}
	return nil
}

// StartDaemon starts `tunic run` on a gateway.
func (l *Lab) StartDaemon(gateway string) (Process, error) {
	return l.Start(gateway, daemonName(gateway), l.Tool("tunic"), "run", "--root", l.Root(gateway))
}

// Daemon returns the `tunic run` of a gateway, started by StartDaemon.
func (l *Lab) Daemon(gateway string) (Process, error) {
	if p, ok := l.process(daemonName(gateway)); ok {
		return p, nil
	}
	return Process{}, fmt.Errorf("finding the daemon of %s: it was not started", gateway)
}

func daemonName(gateway string) string { return "tunic-" + gateway }

// readyLimit is how long a gateway may take until everything works.
const readyLimit = 120 * time.Second

// WaitReady waits with `tunic wait` until all that was asked for works on the
// gateway. progress, if not nil, is told Tor's bootstrap percentage.
func (l *Lab) WaitReady(ctx context.Context, gateway string, progress func(percent int)) error {
	group, ctx := errgroup.WithContext(ctx)
	watch, stop := context.WithCancel(ctx)
	group.Go(func() error {
		defer stop()
		result, err := l.Exec(ctx, gateway, l.Tool("tunic"), "wait", "--root", l.Root(gateway), "--timeout", readyLimit.String())
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", gateway, err)
		}
		if result.Code != 0 {
			return fmt.Errorf("waiting for %s: tunic wait ended with status %d: %s\nlast lines of %s:\n%s", gateway, result.Code,
				strings.TrimSpace(result.Stderr+result.Stdout), l.LogFile(daemonName(gateway)), l.logTail(daemonName(gateway), 8))
		}
		return nil
	})
	if progress != nil {
		group.Go(func() error { l.watchBootstrap(watch, gateway, progress); return nil })
	}
	return group.Wait()
}

// watchBootstrap reports each new percentage. Status is not there at first,
// and that it cannot be had is no reason to stop: `tunic wait` decides.
func (l *Lab) watchBootstrap(ctx context.Context, gateway string, progress func(int)) {
	last := -1
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		result, err := l.Exec(ctx, gateway, l.Tool("tunic"), "status", "--root", l.Root(gateway), "--json")
		if err != nil {
			continue
		}
		if percent, ok := bootstrapPercent([]byte(result.Stdout)); ok && percent != last {
			last = percent
			progress(percent)
		}
	}
}

// bootstrapPercent finds Tor's progress in the daemon's status.
func bootstrapPercent(status []byte) (int, bool) {
	var s struct {
		Tor *struct{ Bootstrap *int }
	}
	if json.Unmarshal(status, &s) != nil || s.Tor == nil || s.Tor.Bootstrap == nil {
		return 0, false
	}
	return *s.Tor.Bootstrap, true
}
