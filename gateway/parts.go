package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/leases"
	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Servers are the managed servers: those that others have written.
type Servers interface {
	// Apply begins to make them so; it does not wait.
	Apply(specs []managed.Spec)
	Status() []managed.Status
}

// Tor is the tor process.
type Tor interface {
	Verify(ctx context.Context, s tor.Spec) error
	Apply(ctx context.Context, s tor.Spec) error
	Status() tor.Status
	// Stop ends it until the next Apply.
	Stop()
	// GaveUp reports whether tor has given up on a guard, and nobody is being served.
	GaveUp(ctx context.Context) bool
}

// FastTor is the tor for onions that are not anonymous.
type FastTor interface {
	Verify(ctx context.Context, s tor.Spec) error
	Apply(ctx context.Context, s tor.Spec) error
	Status() tor.Status
	// Stop ends it until the next Apply.
	Stop()
}

// Kernel is the packet filter and what the kernel knows of the network.
type Kernel interface {
	Apply(ctx context.Context, r rules.Ruleset) error
	Verify(ctx context.Context, r rules.Ruleset) ([]string, error)
	// CutFlows ends the connections for which doomed says so, by their mark and
	// the address that they were opened from, and returns how many those were.
	CutFlows(ctx context.Context, doomed func(mark uint32, from netip.Addr) bool) (int, error)
	Facts(ctx context.Context, interfaces []string) (feature.Facts, error)
	// Group puts the household's interfaces into a group that stays on them when
	// they get another name, and returns its number; 0: there is none.
	Group(ctx context.Context, interfaces []string) (uint32, error)
	// Buckets reports whether rules can find a device without a look at all of them.
	Buckets(ctx context.Context) bool
	Neighbours(ctx context.Context, interfaces []string) ([]feature.Neighbour, error)
	LocalPrefixes(ctx context.Context) ([]netip.Prefix, error)
	// Surroundings says what is around the box and its household's interfaces.
	Surroundings(ctx context.Context, household []string) (feature.Surroundings, error)
}

// System is the box beside its packet filter.
type System interface {
	// Leases are what devices call themselves.
	Leases() ([]leases.Lease, error)
	// Wall says what is wrong with the second wall (decision 44); nothing: it stands.
	Wall() ([]string, error)
}

// Server is the serve process.
type Server interface {
	Apply(ctx context.Context, d link.Desired, listeners map[string]*os.File) ([]string, error)
	Status(ctx context.Context) (link.Status, error)
	// Mail asks about the queue of mail.
	Mail(ctx context.Context, q link.MailQuestion) (link.MailAnswer, error)
}

// Listeners are the sockets that serve accepts on.
type Listeners interface {
	Set(ctx context.Context, specs []supervise.ListenerSpec) error
	Files() map[string]*os.File
}

// Options are what a Gateway is made of. Every field but Heir is required.
type Options struct {
	Heir      *Succession // nil: it begins by itself
	Version   string
	Paths     config.Paths
	Users     feature.ChildIDs // those of managed servers are zero where there is no such user
	Log       *slog.Logger
	Features  []feature.Feature // in their order
	Tor       Tor
	Fast      FastTor
	Kernel    Kernel
	System    System
	Backend   func() error // says whether other programs use another part of the packet filter
	Server    Server
	Servers   Servers
	Listeners Listeners
	Notify    func(state string) // sd_notify(3)
}
