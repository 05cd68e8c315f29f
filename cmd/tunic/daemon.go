package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/child"
	"tunic/gateway/config"
	"tunic/gateway/device"
	"tunic/gateway/feature"
	"tunic/gateway/feature/entry"
	"tunic/gateway/link"
	"tunic/gateway/machine"
	"tunic/gateway/managed"
	"tunic/gateway/metrics"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules/netfilter"
)

// daemon is what the daemon is made of.
type daemon struct {
	log    *slog.Logger
	recent *recent // of the log
	config *config.Config
	kernel machine.Kernel
	system machine.System
	users  feature.ChildIDs
	loop   atomic.Pointer[gateway.Gateway] // for parts that are made before it, nil until there is one

	tor, fast *tor.Tor
	serve     *child.Process
	servers   *managed.Manager
	sockets   *supervise.Listeners

	lock *box.Lock            // that this daemon runs
	api  *supervise.Listeners // the socket of the API
}

// gather reads the configuration, looks for everything that the daemon needs of
// the system, and makes its parts. Nothing has started then.
func (a *app) gather(ctx context.Context, log *slog.Logger) (*daemon, error) {
	d := &daemon{log: log, recent: &a.recent, sockets: &supervise.Listeners{}}
	var err error
	if d.config, err = config.Load(a.paths()); err != nil {
		return nil, err
	}
	if err := entry.CheckSnippets(a.paths(), d.config); err != nil {
		return nil, &failure{code: exitUsage, err: err}
	}
	d.users = machine.ChildUsers()
	for _, name := range []string{config.TorUser, config.ServeUser} { // without these nothing works
		if _, err := machine.User(name); err != nil {
			return nil, err
		}
	}
	kernel, err := netfilter.New(ctx, log)
	if err == nil {
		err = kernel.CheckBackend()
	}
	if err != nil {
		return nil, err
	}
	d.kernel = machine.Remembering(kernel)
	d.system = machine.System{Paths: a.paths(), Kernel: kernel}
	d.make(ctx, a.env)
	return d, nil
}

// make makes the processes' parents.
func (d *daemon) make(ctx context.Context, env func(string) string) {
	changed := func() {
		if g := d.loop.Load(); g != nil {
			g.Wake()
		}
	}
	told := func() {
		if g := d.loop.Load(); g != nil {
			g.Soon()
		}
	}
	devices := &device.Table{Read: netfilter.HardwareAddrs, Again: 5 * time.Millisecond}
	d.tor = tor.New(tor.Options{Log: d.log, Changed: changed, Told: told, Confine: confine, Devices: devices})
	d.fast = tor.New(tor.Options{Log: d.log.With("tor", "fast"), Changed: changed, Told: told, Confine: confine})
	d.serve = &child.Process{Log: d.log, Changed: changed, Answers: link.Mux{Longest: longestQuestion},
		Command: supervise.Command{
			Name: "serve", Path: self, Args: []string{"serve"}, Env: append(certificates(env), serveHeap),
			SetUser: true, UID: d.users.Serve.UID, GID: d.serveGroup(), Groups: []uint32{d.users.Serve.GID},
			Confine: confine, Limits: supervise.Limits{Memory: serveMemory}}}
	d.servers = managed.New(context.WithoutCancel(ctx), managed.Options{Log: d.log, Changed: changed,
		Confine: confine, Dial: new(net.Dialer).DialContext})
}

// longestQuestion is several times what serve asks at most, a form of the page or what a friend's
// box says, in bytes: strangers' bytes reach serve, and may take it over.
const longestQuestion = 256 << 10

// run makes the reconciler and the house, and works until ctx ends. It is the heir of
// another daemon, or of nobody.
func (d *daemon) run(ctx context.Context, door net.Listener, h *heir) error {
	defer d.sockets.Close()
	g := gateway.New(gateway.Options{
		Version: version, Paths: d.system.Paths, Users: d.users, Log: d.log,
		Tor: d.tor, Fast: d.fast, Kernel: d.kernel, System: d.system, Backend: d.kernel.CheckBackend,
		Server: d.serve, Servers: d.servers, Listeners: d.sockets,
		Notify: func(state string) { systemd.SdNotify(false, state) }, Heir: h.succession(d),
	}, d.config)
	d.loop.Store(g)
	rooms := newHouse(g, d)
	g.Features = rooms.features()
	h.bequeathed(g.Features, d.log)
	rooms.page.Ask(rooms.parts(g, nil)) // it asks for no upgrade
	rooms.notices.Ask(g.Status)
	rooms.Answers(&d.serve.Answers)
	numbers := new(metrics.Cache)
	link.Handle(&d.serve.Answers, link.Measure, func(ctx context.Context, _ struct{}) ([]byte, error) {
		return numbers.Text(ctx, g.Status), nil
	})

	// The rules close before tor ends: the gateway has its own context.
	outer, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	var group errgroup.Group
	beside := func(work func(context.Context) error) {
		group.Go(func() error { return untilDone(outer, work(outer)) })
	}
	beside(d.tor.Serve)
	beside(d.fast.Serve)
	beside(d.serve.Serve)
	beside(func(ctx context.Context) error { return machine.WatchInterfaces(ctx, d.log, g.Wake) })
	rules := &guard{ctx: outer, work: func(ctx context.Context) {
		_ = machine.GuardRules(ctx, d.log, d.kernel.Kernel, g) // it ends with ctx alone
	}}
	defer rules.stop()
	old := &predecessor{daemon: d, gateway: g, guard: rules, door: door}
	beside(func(ctx context.Context) error {
		select {
		case <-h.charge():
		case <-ctx.Done():
			return nil
		}
		rules.start()
		return api.Serve(ctx, door, rooms.parts(g, old), d.log)
	})
	go reloadOnSIGHUP(outer, d.log, g)
	if err := errors.Join(d.tor.AwaitAdopted(ctx), d.fast.AwaitAdopted(ctx)); h != nil && err != nil {
		h.giveUp(ctx, d.log, err)
	}
	err := g.Run(ctx)
	if g.Heir != nil {
		h.giveUp(ctx, d.log, err)
	}
	systemd.SdNotify(false, systemd.SdNotifyStopping)
	d.servers.Stop()
	stopParts()
	return errors.Join(err, group.Wait())
}

// serveGroup is the group of what serve makes: the IMAP server's, which reads the
// mail that serve delivers (decision 42). Serve owns it as its own user.
func (d *daemon) serveGroup() uint32 {
	if d.users.Mail == (feature.IDs{}) {
		return d.users.Serve.GID
	}
	return d.users.Mail.GID
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

// listenAPI opens the API socket; only root may connect, and the group of those
// who may look. A stale one is replaced: the lock says that no daemon is behind it.
func listenAPI(ctx context.Context, l *supervise.Listeners, p config.Paths) (net.Listener, error) {
	spec := supervise.ListenerSpec{Name: "api", Network: "unix", Path: p.API(), Mode: 0o600}
	if gid, ok := machine.Group(config.LookGroup); ok {
		spec.Mode, spec.GID = 0o660, gid
	}
	if err := l.Set(ctx, []supervise.ListenerSpec{spec}); err != nil {
		return nil, err
	}
	return net.FileListener(l.Files()[spec.Name])
}
