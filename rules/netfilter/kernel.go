package netfilter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-iptables/iptables"

	"tunic/rules"
)

// lockSeconds is how long a program waits for another one that holds the
// xtables lock.
const lockSeconds = 5

// Errors of New, for errors.Is.
var (
	// ErrNotInstalled says that a program of iptables is not on PATH.
	ErrNotInstalled = errors.New("iptables is not installed")
	// ErrMixed says that the rules of the box are split between two backends,
	// of which each hides from the other: packets meet both, people see one.
	ErrMixed = errors.New("iptables backends are mixed")
	// ErrNamespace says that a call came from another network namespace than
	// New: a thread that has moved must not take its rules along.
	ErrNamespace = errors.New("this is another network namespace than the rules are for")
	// ErrTooOld says that iptables-restore knows no --wait (before 1.6.2).
	ErrTooOld = errors.New("iptables is too old")
)

// Kernel is the packet filter of the network namespace that the process is in.
// Its methods may be called from several goroutines; they take turns.
type Kernel struct {
	log      *slog.Logger
	version  Version
	families map[rules.Family]programs

	mu        sync.Mutex
	applied   map[tableID]applied
	written   map[ruleKey]written // what iptables has made of rules
	abilities map[string]bool     // whether rules can match that

	own     children // programs of ours that may change rules
	blame   sync.Mutex
	changer culprit // who last changed rules that matter; guarded by blame
}

// programs are those of one family.
type programs struct {
	tables  *iptables.IPTables
	list    string // path of iptables
	restore string // path of iptables-restore
	save    string // path of iptables-save
}

// applied is what Verify expects.
type applied struct {
	wanted rules.Table
	kernel listing // our chains, as the kernel printed them right after Apply
}

type tableID struct {
	family rules.Family
	name   string
}

func idOf(t rules.Table) tableID { return tableID{t.Family, t.Name} }

func (t tableID) String() string { return t.family.String() + " " + t.name }

// New finds the programs and checks that all of them speak to the same part of
// the kernel; whether somebody else's rules are in the other part, CheckBackend
// says, so that a box can be closed even then. New's errors wrap [ErrNotInstalled], [ErrMixed] or [ErrTooOld]
// where one of them is the cause.
func New(ctx context.Context, log *slog.Logger) (*Kernel, error) {
	here, err := namespace()
	if err != nil {
		return nil, fmt.Errorf("looking for the packet filter: %w", err)
	}
	k := &Kernel{log: log, families: make(map[rules.Family]programs), applied: make(map[tableID]applied),
		abilities: make(map[string]bool), own: children{namespace: here}}
	for _, f := range rules.Families() {
		p, versions, err := findPrograms(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("looking for the packet filter: %w", err)
		}
		k.families[f] = p
		if k.version == (Version{}) {
			k.version = versions[0]
		}
		for _, v := range versions {
			if v != k.version {
				return nil, fmt.Errorf("looking for the packet filter: %w: %v and %v; "+
					"let update-alternatives choose the same for iptables and ip6tables", ErrMixed, k.version, v)
			}
		}
	}
	if !k.version.waits() {
		return nil, fmt.Errorf("looking for the packet filter: %w: %v, 1.6.2 is the oldest that will do", ErrTooOld, k.version)
	}
	return k, nil
}

// Version returns which iptables is in use.
func (k *Kernel) Version() Version { return k.version }

func findPrograms(ctx context.Context, f rules.Family) (programs, []Version, error) {
	name, proto := "iptables", iptables.ProtocolIPv4
	if f == rules.IPv6 {
		name, proto = "ip6tables", iptables.ProtocolIPv6
	}
	var paths [3]string
	var versions []Version
	for i, program := range []string{name, name + "-restore", name + "-save"} {
		path, err := exec.LookPath(program)
		if err != nil {
			return programs{}, nil, fmt.Errorf("%w: no %s on PATH; "+
				"install the package iptables (on OpenWrt iptables-nft and ip6tables-nft)", ErrNotInstalled, program)
		}
		out, err := run(ctx, "", path, "--version")
		if err != nil {
			return programs{}, nil, fmt.Errorf("asking for the version: %w", err)
		}
		v, err := ParseVersion(out)
		if err != nil {
			return programs{}, nil, err
		}
		paths[i], versions = path, append(versions, v)
	}
	tables, err := iptables.New(iptables.IPFamily(proto), iptables.Path(paths[0]), iptables.Timeout(lockSeconds))
	if err != nil {
		return programs{}, nil, fmt.Errorf("starting %s: %w", paths[0], err)
	}
	return programs{tables: tables, list: paths[0], restore: paths[1], save: paths[2]}, versions, nil
}

// CheckBackend returns an error that wraps [ErrMixed] if the kernel holds legacy
// tables beside the nf_tables that we use. It costs two small files. To run the
// legacy program instead would load the tables that it looks for.
func (k *Kernel) CheckBackend() error {
	if k.version.Backend != BackendNFT {
		return nil
	}
	for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
		names, err := os.ReadFile("/proc/thread-self/net/" + file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading legacy tables: %w", err)
		}
		if tables := strings.Fields(string(names)); len(tables) > 0 {
			return fmt.Errorf("%w: iptables is %v, but legacy tables are loaded (%s: %s); see them with iptables-legacy-save, "+
				"and remove what loads them; tables that are empty go at the next reboot (or by rmmod), then start tunic again; "+
				"or let update-alternatives choose iptables-legacy",
				ErrMixed, k.version, file, strings.Join(tables, " "))
		}
	}
	return nil
}

// namespace names the network namespace of the calling thread
// (network_namespaces(7)).
func namespace() (string, error) { return os.Readlink("/proc/thread-self/ns/net") }

// run runs a program to its end and returns what it printed. The error has the
// program's own words.
func run(ctx context.Context, stdin, path string, args ...string) (string, error) {
	return new(children).run(ctx, stdin, path, args...)
}

// children starts programs for one network namespace, and remembers the last
// ones, to know their changes again among the kernel's events.
type children struct {
	namespace string // that they must be started in; "" is any

	mu   sync.Mutex
	pids [64]int
	next int
}

func (c *children) add(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pids[c.next%len(c.pids)] = pid
	c.next++
}

func (c *children) has(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pid != 0 && slices.Contains(c.pids[:], pid)
}

// job is a program that is running.
type job struct {
	cmd            *exec.Cmd
	stdout, stderr strings.Builder
	err            error // why it could not be started
}

// start starts a program on the calling thread, in whose namespace it is.
func (c *children) start(ctx context.Context, stdin, path string, args ...string) *job {
	j := &job{cmd: exec.CommandContext(ctx, path, args...)}
	if now, err := namespace(); c.namespace != "" && now != c.namespace {
		j.err = errors.Join(ErrNamespace, err)
		return j
	}
	j.cmd.WaitDelay = time.Second
	j.cmd.Stdin, j.cmd.Stdout, j.cmd.Stderr = strings.NewReader(stdin), &j.stdout, &j.stderr
	if j.err = j.cmd.Start(); j.err == nil {
		c.add(j.cmd.Process.Pid)
	}
	return j
}

// wait returns what the program printed when it has ended. The error has the
// program's own words.
func (j *job) wait() (string, error) {
	if j.err == nil {
		j.err = j.cmd.Wait()
	}
	if j.err != nil {
		return "", fmt.Errorf("running %s: %w: %s", strings.Join(j.cmd.Args, " "), j.err, strings.TrimSpace(j.stderr.String()))
	}
	return j.stdout.String(), nil
}

func (c *children) run(ctx context.Context, stdin, path string, args ...string) (string, error) {
	return c.start(ctx, stdin, path, args...).wait()
}
