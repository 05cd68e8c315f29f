package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what lab to build. ID, BinDir and Log are required.
type Options struct {
	ID         string
	Base       string // "" means DefaultBase
	Households int    // 2 or 3; 0 means 2

	// BinDir holds tunic-lab, whose hidden subcommands are the lab's servers,
	// and tunic. Both are run from there, and it is first in PATH on all nodes.
	BinDir string

	NetworkOnly bool     // no Tor network, no daemons: wires, servers and captures
	Daemons     []string // gateways on which tunic is started; nil for none
	Machines    []string // gateways that machines are plugged in for, see Lab.PlugIn; nil for none

	Log      *slog.Logger
	Progress func(elapsed time.Duration, text string) // told each step, from several goroutines; may be nil
}

// Up builds a lab and returns when all of it is ready. Its processes go on
// after this one has ended. If it fails, or ctx ends, nothing is left of the
// lab; the error then is about the failure, and joined with what could not be
// taken down. The error is ErrExists if the lab is up or was left half made.
func Up(ctx context.Context, o Options) (*Lab, error) {
	begin := time.Now()
	if o.Households == 0 {
		o.Households = 2
	}
	plan, err := NewPlan(o.ID, o.Households)
	if err == nil {
		plan, err = plan.withMachines(o.Machines)
	}
	if err != nil {
		return nil, err
	}
	dir, err := labDir(o.Base, o.ID)
	if err != nil {
		return nil, err
	}
	l := &Lab{plan: plan, dir: dir, binDir: o.BinDir}
	if err := preflight(l, o); err != nil {
		return nil, err
	}
	if err := l.makeDir(); err != nil {
		return nil, err
	}
	b := builder{lab: l, options: o, begin: begin}
	if err := b.build(ctx); err != nil {
		o.Log.Warn("taking down a lab that could not be built", "lab", o.ID)
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeDownLimit)
		defer cancel()
		return nil, errors.Join(err, l.Down(clean, false))
	}
	return l, nil
}

// takeDownLimit bounds the cleaning up after a failure.
const takeDownLimit = 30 * time.Second

type builder struct {
	lab     *Lab
	options Options
	begin   time.Time
}

func (b builder) say(format string, args ...any) {
	if b.options.Progress != nil {
		b.options.Progress(time.Since(b.begin), fmt.Sprintf(format, args...))
	}
}

func (b builder) build(ctx context.Context) error {
	if err := b.claim(); err != nil {
		return err
	}
	keys, kctx := errgroup.WithContext(ctx)
	var authorities []Authority
	if !b.options.NetworkOnly {
		keys.Go(func() (err error) {
			authorities, err = b.lab.makeAuthorities(kctx)
			return err
		})
	}
	if err := errors.Join(b.network(ctx), keys.Wait()); err != nil {
		return err
	}
	if !b.options.NetworkOnly {
		if err := b.torNetwork(ctx, authorities); err != nil {
			return err
		}
		if err := b.gateways(ctx, authorities); err != nil {
			return err
		}
	}
	return b.lab.change(func(s *state) { s.Builder, s.Ready = Process{}, true })
}

// claim writes the first state: who is building.
func (b builder) claim() error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	self, _ := findProcess(os.Getpid())
	self.Name = "up"
	return b.lab.change(func(s *state) {
		*s = state{ID: b.options.ID, Households: b.options.Households, Machines: b.options.Machines, BinDir: b.options.BinDir, BootID: boot,
			Builder: self}
	})
}

func (b builder) network(ctx context.Context) error {
	l := b.lab
	if err := l.makeNamespaces(ctx); err != nil {
		return err
	}
	if err := l.apply(ctx, links(l.plan)); err != nil {
		return err
	}
	for _, gateway := range l.plan.Gateways() {
		c, err := l.Capture(gateway)
		if err == nil {
			err = c.start(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := l.apply(ctx, addresses(l.plan)); err != nil {
		return err
	}
	if err := l.startServers(ctx); err != nil {
		return err
	}
	b.say("network: %d nodes in %d households, captures run", len(l.plan.Nodes), l.plan.Households)
	return nil
}

// startServers starts the internet's and the nas's servers and waits until
// they listen: they say so in their log.
func (l *Lab) startServers(ctx context.Context) error {
	for name, argv := range map[string][]string{
		InternetNode: {l.Tool("tunic-lab"), "internet", "--queries", l.QueryLog(), "--certificate", l.CertificateFile()},
		NASNode:      {l.Tool("tunic-lab"), "nas"},
	} {
		if _, err := l.Start(name, name, argv...); err != nil {
			return err
		}
	}
	for _, name := range []string{InternetNode, NASNode} {
		err := poll(ctx, func() (bool, error) {
			if !l.running(name) {
				return false, errors.New(l.logTail(name, 5))
			}
			return strings.Contains(l.logTail(name, 5), "ready"), nil
		})
		if err != nil {
			return fmt.Errorf("starting the servers of %s: %w", name, err)
		}
	}
	return nil
}

func (b builder) torNetwork(ctx context.Context, authorities []Authority) error {
	var err error
	for try, lead := 0, voteLead; try < networkTries; try, lead = try+1, 2*lead {
		if try > 0 {
			b.say("tor network: %v: it starts again", err)
			b.options.Log.Warn("the lab's Tor network starts again", "error", err)
			if err := b.lab.endRelays(ctx); err != nil {
				return err
			}
		}
		first := time.Now().Add(lead)
		if err := b.lab.writeRelays(authorities, first); err != nil {
			return err
		}
		if err := b.lab.startRelays(); err != nil {
			return err
		}
		b.say("tor network: %d authorities and %d exits started", len(authorities), len(TorRelays())-len(authorities))
		if err = b.lab.waitConsensus(ctx, first); err == nil {
			b.say("tor network: all of them have a consensus that lists all of them")
			return nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errIncomplete) {
			return err
		}
	}
	return err
}

func (b builder) gateways(ctx context.Context, authorities []Authority) error {
	for _, gateway := range b.lab.plan.Gateways() {
		if err := b.lab.writeRoot(gateway, authorities); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, gateway := range b.options.Daemons {
		if _, err := b.lab.StartDaemon(gateway); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			progress := func(percent int) { b.say("%s: Tor is at %d %%", gateway, percent) }
			if err := b.lab.WaitReady(ctx, gateway, progress); err != nil {
				return err
			}
			b.say("%s: ready", gateway)
			return nil
		})
	}
	return group.Wait()
}

// BinDir is the directory of the running program, for Options.BinDir.
func BinDir() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	return filepath.Dir(self), nil
}
