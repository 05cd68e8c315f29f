// Package lab builds a small internet on one Linux machine: a private Tor
// network of real tor processes, a web server, a DNS server, and two or three
// households, each with a gateway that runs tunic and with devices behind it.
// Every machine of the lab is a network namespace; no interface of the lab is
// ever in the machine's own namespace.
//
// Use it for demonstrations and for end-to-end tests: Up builds a lab and
// returns when it is ready, Load finds one that is running, Exec and Start run
// programs on its nodes, Capture counts what a gateway really sent. It needs
// root, iproute2, tcpdump, tor and tor-gencert.
//
// Do not use it to measure speed (all links share two or so processors), nor
// for anything that a unit test can show: building a lab takes seconds, not
// milliseconds.
package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DefaultBase is the directory that holds one directory for each lab. It must
// not be on tmpfs: tunic refuses to keep its state in memory.
const DefaultBase = "/var/lib/tunic-lab"

// Errors that callers tell apart with errors.Is.
var (
	ErrExists   = errors.New("the lab exists already")
	ErrNotFound = errors.New("there is no such lab")
)

// Lab is one lab that is up or being built. Its methods may be called from
// several goroutines.
type Lab struct {
	plan   Plan
	dir    string // DefaultBase/ID
	binDir string // the directory of tunic-lab and tunic

	mu    sync.Mutex
	state state
}

// Load returns the lab called id below base ("" means DefaultBase). The error
// is ErrNotFound if it was never brought up or has been taken down.
func Load(base, id string) (*Lab, error) {
	dir, err := labDir(base, id)
	if err != nil {
		return nil, err
	}
	st, err := readState(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("loading lab %q: %w: bring it up with `tunic-lab --lab %s up`", id, ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("loading lab %q: %w: remove what is left with `tunic-lab --lab %s down`", id, err, id)
	}
	plan, err := NewPlan(id, st.Households)
	if err == nil {
		plan, err = plan.withMachines(st.Machines)
	}
	if err != nil {
		return nil, fmt.Errorf("loading lab %q: %w", id, err)
	}
	return &Lab{plan: plan, dir: dir, binDir: st.BinDir, state: st}, nil
}

func labDir(base, id string) (string, error) {
	if err := CheckID(id); err != nil {
		return "", err
	}
	if base == "" {
		base = DefaultBase
	}
	return filepath.Join(base, id), nil
}

// Plan returns the nodes and addresses of the lab.
func (l *Lab) Plan() Plan { return l.plan }

// Dir is the lab's directory: logs/, captures/, and one directory for each
// gateway's root.
func (l *Lab) Dir() string { return l.dir }

// Root is the directory that tunic gets as --root on the gateway called node.
func (l *Lab) Root(node string) string { return filepath.Join(l.dir, node) }

// LogFile is the file with the output of the process called name.
func (l *Lab) LogFile(name string) string { return filepath.Join(l.dir, "logs", name+".log") }

// QueryLog is the file to which the lab's DNS server writes every question.
func (l *Lab) QueryLog() string { return filepath.Join(l.dir, "logs", "queries.json") }

// Processes returns the long-running processes that the lab has started, the
// ended ones too.
func (l *Lab) Processes() []Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Process(nil), l.state.Processes...)
}

// process returns the process that was last started as name.
func (l *Lab) process(name string) (Process, bool) {
	for _, p := range l.Processes() {
		if p.Name == name {
			return p, true
		}
	}
	return Process{}, false
}

// running reports whether the process called name is alive.
func (l *Lab) running(name string) bool {
	p, ok := l.process(name)
	return ok && p.Alive()
}

// change updates the state in memory and on disk, in that order, so that
// whatever was made is known to Down even if this process ends in between.
func (l *Lab) change(update func(*state)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	update(&l.state)
	return writeState(filepath.Join(l.dir, stateFile), l.state)
}

// makeDir claims the lab's directory for a new lab.
func (l *Lab) makeDir() error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return fmt.Errorf("making the lab's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(l.dir, stateFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("bringing up lab %q: %w: see `tunic-lab --lab %s status`, or end it with `tunic-lab --lab %s down`",
			l.plan.ID, ErrExists, l.plan.ID, l.plan.ID)
	}
	if err != nil {
		return fmt.Errorf("claiming the lab's directory: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("claiming the lab's directory: %w", err)
	}
	return l.clearOld()
}

// clearOld removes the logs that `down --keep-logs` of an earlier lab left.
func (l *Lab) clearOld() error {
	for _, name := range []string{"logs", "captures"} {
		dir := filepath.Join(l.dir, name)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
			return fmt.Errorf("emptying %s: %w", dir, err)
		}
	}
	return nil
}

// pollInterval is how often the lab looks whether something that it waits for
// has happened.
const pollInterval = 50 * time.Millisecond
