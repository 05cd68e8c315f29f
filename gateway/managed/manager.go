package managed

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// Options are what a Manager is made of. Every field is required.
type Options struct {
	Log *slog.Logger

	Confine []string // see supervise.Command

	Dial    func(ctx context.Context, network, addr string) (net.Conn, error) // for probes, on the box
	Changed func()                                                            // called when a server's state changed; must not block
}

// Manager runs servers. Its methods may be called from any goroutine.
type Manager struct {
	Options
	ctx    context.Context
	cancel context.CancelFunc
	times  times

	starting sync.Mutex // held while a server is started, and while another daemon has them

	mu      sync.Mutex
	servers []*server // in the order in which they were started
}

// New returns a Manager that runs nothing yet. Its servers end with ctx, or in
// order with Stop.
func New(ctx context.Context, o Options) *Manager {
	ctx, cancel := context.WithCancel(ctx)
	return &Manager{Options: o, ctx: ctx, cancel: cancel, times: usualTimes}
}

// Apply makes the servers those of specs. It does not wait: Status says how far
// they are. A server whose Spec is the same goes on untouched; one whose files
// changed reads them, or is started again where it cannot.
func (m *Manager) Apply(specs []Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.servers = slices.DeleteFunc(m.servers, func(s *server) bool {
		wanted := slices.ContainsFunc(specs, func(spec Spec) bool { return spec.Name == s.name })
		if !wanted {
			s.leave()
		}
		return !wanted && s.ended() // until then a new one of the name must wait
	})
	for _, spec := range specs {
		m.apply(spec)
	}
}

func (m *Manager) apply(spec Spec) {
	i := slices.IndexFunc(m.servers, func(s *server) bool { return s.name == spec.Name })
	if i < 0 {
		m.servers = append(m.servers, m.start(spec, nil))
		return
	}
	if s := m.servers[i]; s.leaving() || !s.adopt(spec) {
		s.cancel()
		m.servers[i] = m.start(spec, s)
	}
}

// start runs a server after the one before it has ended.
func (m *Manager) start(spec Spec, before *server) *server {
	return m.begin(spec, before, func(*server) {})
}

// begin is start of a server of which something is known already.
func (m *Manager) begin(spec Spec, before *server, known func(*server)) *server {
	ctx, cancel := context.WithCancel(m.ctx)
	s := &server{manager: m, name: spec.Name, cancel: cancel, done: make(chan struct{}), spec: spec.clone(), log: new(ring)}
	known(s)
	if before != nil {
		s.log = before.log
	}
	go func() {
		defer close(s.done)
		if before != nil {
			<-before.done
		}
		s.keep(ctx)
	}()
	return s
}

// Stop ends all servers, the last started first, and waits for each.
func (m *Manager) Stop() {
	m.mu.Lock()
	servers := slices.Clone(m.servers)
	m.mu.Unlock()
	for _, s := range slices.Backward(servers) {
		s.cancel()
		<-s.done
	}
	m.cancel()
}

// Status is how one server is.
type Status struct {
	Name     string
	Version  string
	Untried  bool // the version is newer than those that tunic's configuration was tried with
	PID      int  // 0 while it does not run
	Ready    bool
	Since    time.Time // start of the process
	Restarts int
	Err      error // why it does not run, or does not answer; never holds what it printed
}

// Status lists the servers that should run.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Status
	for _, s := range m.servers {
		if !s.leaving() {
			list = append(list, s.status())
		}
	}
	return list
}

// Tail returns the last lines that a server printed. They may name users.
func (m *Manager) Tail(name string) ([]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.servers {
		if s.name == name {
			return s.log.all(), true
		}
	}
	return nil, false
}

// errSilent says that a server runs but does not answer.
var errSilent = errors.New("it runs but does not answer")
