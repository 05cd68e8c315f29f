package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/child"
	"tunic/gateway/config"
	"tunic/gateway/device"
	"tunic/gateway/feature"
	"tunic/gateway/feature/entry"
	"tunic/gateway/machine"
	"tunic/gateway/managed"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules/netfilter"
)

func runCommand(a *app) *cobra.Command {
	var verbose bool
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
			log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
			return ofDaemon(a.run(cmd.Context(), log))
		},
	}
	c.Flags().BoolVar(&verbose, "verbose", false, "log details")
	return c
}

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

// run makes the real parts, and works until ctx ends.
func (a *app) run(ctx context.Context, log *slog.Logger) error {
	if a.uid != 0 {
		return &failure{exitFailed, errors.New("the daemon must be started as root"), "use sudo, or systemctl start tunic"}
	}
	// The daemon decides, and carries nothing: with one processor no idle thread of
	// Go's is woken by each socket that another one opens (decision 53).
	runtime.GOMAXPROCS(1)
	lock, err := box.TakeLock(a.paths())
	if err != nil {
		return err
	}
	defer lock.Release()
	real, err := a.gather(ctx, log)
	if err != nil {
		return a.closeInstead(ctx, err)
	}
	return a.serve(ctx, log, real)
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

// gather reads the configuration and looks for everything that the daemon
// needs of the system.
func (a *app) gather(ctx context.Context, log *slog.Logger) (parts, error) {
	p := parts{paths: a.paths()}
	var err error
	if p.config, err = config.Load(p.paths); err != nil {
		return p, err
	}
	if err := entry.CheckSnippets(p.paths, p.config); err != nil {
		return p, &failure{code: exitUsage, err: err}
	}
	if p.torIDs, err = machine.User(config.TorUser); err != nil {
		return p, err
	}
	if p.serveIDs, err = machine.User(config.ServeUser); err != nil {
		return p, err
	}
	ids := machine.ChildUsers()
	p.mailIDs, p.xmppIDs, p.ircIDs = ids.Mail, ids.XMPP, ids.IRC
	k, err := netfilter.New(ctx, log)
	if err == nil {
		err = k.CheckBackend()
	}
	p.kernel = machine.Kernel{Kernel: k}
	return p, err
}

// parts are what a daemon is made of.
type parts struct {
	config           *config.Config
	paths            config.Paths
	kernel           machine.Kernel
	torIDs, serveIDs feature.IDs
	mailIDs          feature.IDs // zero: there is no such user
	xmppIDs, ircIDs  feature.IDs // likewise
}

func (a *app) serve(ctx context.Context, log *slog.Logger, p parts) error {
	door := &supervise.Listeners{}
	defer door.Close()
	listener, err := listenAPI(ctx, door, p.paths)
	if err != nil {
		return a.closeInstead(ctx, err)
	}
	var g *gateway.Gateway
	wake := func() { g.Wake() }
	process := &child.Process{Log: log, Changed: wake,
		Command: supervise.Command{
			Name: "serve", Path: self, Args: []string{"serve"}, Env: append(certificates(a.env), serveHeap),
			SetUser: true, UID: p.serveIDs.UID, GID: p.serveGroup(), Groups: []uint32{p.serveIDs.GID},
			Confine: confine, Limits: supervise.Limits{Memory: serveMemory}}}
	devices := &device.Table{Read: netfilter.HardwareAddrs, Again: 5 * time.Millisecond}
	torProcess := tor.New(tor.Options{Log: log, Changed: wake, Confine: confine, Devices: devices})
	fastTor := tor.New(tor.Options{Log: log.With("tor", "fast"), Changed: wake, Confine: confine})
	servers := managed.New(context.WithoutCancel(ctx), managed.Options{Log: log, Changed: wake,
		Confine: confine, Dial: new(net.Dialer).DialContext})
	sockets := &supervise.Listeners{}
	defer sockets.Close()
	system := machine.System{Paths: p.paths, Kernel: p.kernel.Kernel}
	g = gateway.New(gateway.Options{
		Version: version, Paths: p.paths, TorIDs: p.torIDs, ServeIDs: p.serveIDs, MailIDs: p.mailIDs, XMPPIDs: p.xmppIDs, IRCIDs: p.ircIDs, Log: log,
		Tor: torProcess, Fast: fastTor, Kernel: p.kernel, System: system, Backend: p.kernel.CheckBackend,
		Server: process, Servers: servers, Listeners: sockets,
		Notify: func(state string) { daemon.SdNotify(false, state) },
	}, p.config)
	h := newHouse(g, ways{system: system, log: log, tor: torProcess, fast: fastTor, server: process, servers: servers, keysOwner: p.torIDs})
	g.Features = h.features()
	h.Answers(&process.Answers)

	// The rules close before tor ends: the gateway has its own context.
	outer, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	var group errgroup.Group
	group.Go(func() error { return untilDone(outer, torProcess.Serve(outer)) })
	group.Go(func() error { return untilDone(outer, fastTor.Serve(outer)) })
	group.Go(func() error { return untilDone(outer, process.Serve(outer)) })
	group.Go(func() error {
		parts := api.Parts{Daemon: g, Onions: h.onions, Devices: h.devices, Users: h.people, Mail: h.mail, Servers: h.servers, Peers: h.friends}
		return untilDone(outer, api.Serve(outer, listener, parts, log))
	})
	group.Go(func() error { return untilDone(outer, machine.WatchInterfaces(outer, log, wake)) })
	group.Go(func() error { return untilDone(outer, machine.GuardRules(outer, log, p.kernel.Kernel, g)) })
	go reloadOnHangup(outer, log, g)
	err = g.Run(ctx)
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	servers.Stop()
	stopParts()
	return errors.Join(err, group.Wait())
}

// serveGroup is the group of what serve makes: the IMAP server's, which reads the
// mail that serve delivers (decision 42). Serve owns it as its own user.
func (p parts) serveGroup() uint32 {
	if p.mailIDs == (feature.IDs{}) {
		return p.serveIDs.GID
	}
	return p.mailIDs.GID
}

// certificates hands on where the box keeps the certificates that it trusts,
// for those who do not keep them where everybody does (crypto/x509).
func certificates(env func(string) string) []string {
	var list []string
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v := env(name); v != "" {
			list = append(list, name+"="+v)
		}
	}
	return list
}

// untilDone drops the error that only says that ctx has ended.
func untilDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// listenAPI opens the API socket; only root may connect. A stale one is
// replaced: the lock says that no daemon is behind it.
func listenAPI(ctx context.Context, l *supervise.Listeners, p config.Paths) (net.Listener, error) {
	spec := supervise.ListenerSpec{Name: "api", Network: "unix", Path: p.API(), Mode: 0o600}
	if err := l.Set(ctx, []supervise.ListenerSpec{spec}); err != nil {
		return nil, err
	}
	return net.FileListener(l.Files()[spec.Name])
}

// signWithKey signs with the key in an onion's directory, which is tor's own.
func signWithKey(dir string, owner feature.IDs, message []byte) (s peer.Signature, err error) {
	secret, err := onion.Secret(dir, int(owner.UID), int(owner.GID))
	if err != nil {
		return s, err
	}
	signature, err := tor.Sign(secret, message)
	copy(s[:], signature)
	return s, err
}
