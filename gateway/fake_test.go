package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/feature/block"
	"tunic/gateway/feature/bypass"
	timekeeping "tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/friends"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/household"
	"tunic/gateway/feature/i2p"
	"tunic/gateway/feature/irc"
	"tunic/gateway/feature/mail"
	numbers "tunic/gateway/feature/metrics"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/onions"
	"tunic/gateway/feature/page"
	"tunic/gateway/feature/people"
	"tunic/gateway/feature/phones"
	"tunic/gateway/feature/servers"
	"tunic/gateway/feature/settings"
	"tunic/gateway/feature/upstream"
	"tunic/gateway/feature/why"
	"tunic/gateway/feature/xmpp"
	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// box is a strict fake of everything around the gateway. It writes a journal
// of what was done to it, and fails what it is told to fail.
type fakes struct {
	t  testing.TB
	mu sync.Mutex

	journal []string
	fail    map[string]error // by the first word of a journal line

	loaded rules.Ruleset
	drift  []string
	wall   []string // what is wrong with it
	around feature.Surroundings

	listening []supervise.ListenerSpec
	facts     feature.Facts
	status    tor.Status
	gaveUp    bool // tor, on a guard
	torSpec   tor.Spec
	fast      tor.Status
	fastSpec  tor.Spec
	served    link.Desired
	specs     []managed.Spec
	servers   managed.Status // of each

	reached  map[string]link.Reached // by onion
	reaching []string                // that was asked for, in its order
}

func (b *fakes) did(what string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.journal = append(b.journal, strings.TrimSpace(what+" "+fmt.Sprint(args...)))
	return b.fail[what]
}

// failure is what the box is told to fail with.
func (b *fakes) failure(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fail[what]
}

// took returns the journal since the last call.
func (b *fakes) took() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := strings.Join(b.journal, ", ")
	b.journal = nil
	return j
}

func (b *fakes) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

type fakeKernel struct{ *fakes }

func (k fakeKernel) Apply(_ context.Context, r rules.Ruleset) error {
	if err := k.did("rules", mode(r)); err != nil {
		return err
	}
	k.loaded = r
	return nil
}

// mode reads from the rules themselves whether they are open.
func mode(r rules.Ruleset) string {
	if strings.Contains(r.Text(rules.IPv4, "nat"), "-A TUNIC-TRANS -p tcp -j REDIRECT") {
		return "open"
	}
	return "closed"
}

func (k fakeKernel) Verify(_ context.Context, r rules.Ruleset) ([]string, error) {
	if !r.Equal(k.loaded) {
		k.t.Errorf("verifying rules that were never loaded")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.drift
	k.drift = nil
	return d, nil
}

// CutFlows looks at a connection of each mark from two devices, which have an
// IPv4 address in the neighbour table, and from an address that nobody has.
func (k fakeKernel) CutFlows(_ context.Context, doomed func(uint32, netip.Addr) bool) (int, error) {
	n := 0
	for _, p := range []rules.Policy{rules.Tor, rules.Onion, rules.Direct, rules.Block, rules.Portal} {
		line := p.String()
		for _, host := range []string{"10", "99", "250"} {
			if doomed(p.Mark()|0x42, netip.MustParseAddr("192.168.77."+host)) {
				n++
				line += " " + host
			}
		}
		if line == p.String() {
			continue
		}
		if err := k.did("cut", line); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (k fakeKernel) Facts(_ context.Context, names []string) (feature.Facts, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	facts := k.facts
	facts.Interfaces = slices.DeleteFunc(slices.Clone(facts.Interfaces), func(i feature.InterfaceFacts) bool {
		return !slices.Contains(names, i.Name)
	})
	return facts, k.fail["facts"]
}

func (k fakeKernel) Group(context.Context, []string) (uint32, error) {
	return 0x74756e, k.failure("group")
}

func (k fakeKernel) Buckets(context.Context) bool { return true }

func (k fakeKernel) LocalPrefixes(context.Context) ([]netip.Prefix, error) {
	return nil, k.failure("prefixes")
}

func (k fakeKernel) Neighbours(context.Context, []string) ([]feature.Neighbour, error) {
	return []feature.Neighbour{
		{MAC: "02:00:00:00:00:10", Addr: netip.MustParseAddr("192.168.77.10")},
		{MAC: "02:00:00:00:00:99", Addr: netip.MustParseAddr("192.168.77.99")},
	}, k.failure("neighbours")
}

type fakeTor struct{ *fakes }

func (f fakeTor) Apply(_ context.Context, s tor.Spec) error {
	f.mu.Lock()
	same := f.torSpec.Equal(s)
	f.mu.Unlock()
	if same {
		return nil
	}
	if err := f.did("tor", len(s.Onions)); err != nil {
		return err
	}
	f.set(func() { f.torSpec = s })
	return nil
}

func (f fakeTor) Verify(context.Context, tor.Spec) error { return f.did("verify") }

func (f fakeTor) Status() tor.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Onions = maps.Clone(s.Onions) // as the real one does
	return s
}

// fakeFast is the tor for onions that are not anonymous.
type fakeFast struct{ *fakes }

func (f fakeFast) Apply(_ context.Context, s tor.Spec) error {
	f.mu.Lock()
	same := f.fastSpec.Equal(s)
	f.mu.Unlock()
	if same {
		return nil
	}
	if err := f.did("fast", len(s.Onions)); err != nil {
		return err
	}
	f.set(func() { f.fastSpec = s })
	return nil
}

func (f fakeFast) Verify(context.Context, tor.Spec) error { return f.did("verify fast") }

func (f fakeFast) Status() tor.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fast
}

func (f fakeFast) Stop() {
	f.mu.Lock()
	wanted := len(f.fastSpec.Onions) > 0
	f.fastSpec = tor.Spec{}
	f.mu.Unlock()
	if wanted {
		f.did("rest")
	}
}

type fakeServer struct{ *fakes }

func (f fakeServer) Apply(_ context.Context, d link.Desired, _ map[string]*os.File) ([]string, error) {
	f.set(func() { f.served = d })
	return nil, f.did("serve", len(d.Fronts))
}

func (f fakeServer) Status(context.Context) (link.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := link.Status{
		Panics: 1, DNS: link.DNSCounts{Queries: 2, Failed: 3, Cached: 6, Refused: 7, Blocked: 20, Panics: 100},
		SOCKS: link.SOCKSCounts{Conns: 4, Active: 8, Failed: 9, Refused: 10, Up: 11, Down: 12, Panics: 1000},
		Time:  link.TimeCounts{Answered: 13, Refused: 14}, OwnTime: link.TimeCounts{Answered: 15, Refused: 16},
		Services: []link.Service{{Name: "imap", ServiceCounts: link.ServiceCounts{Active: 17, Accepted: 18, Refused: 19, Panics: 10000}}},
	}
	for _, front := range f.served.Fronts {
		fs := link.FrontStatus{Onion: front.Onion, Refused: 5}
		for _, p := range front.Ports {
			fs.Ports = append(fs.Ports, link.PortStatus{Virtual: p.Virtual, Reachable: true})
		}
		s.Fronts = append(s.Fronts, fs)
	}
	return s, nil
}

func (f fakeServer) Reach(_ context.Context, onion string, call bool) (link.Reached, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reaching = append(f.reaching, fmt.Sprint(onion, " ", call))
	got := f.reached[onion]
	if !call {
		got.Calls = nil
	}
	return got, f.fail["reach"]
}

type fakeListeners struct{ *fakes }

func (f fakeListeners) Set(_ context.Context, specs []supervise.ListenerSpec) error {
	f.set(func() { f.listening = specs })
	return f.did("listen", len(specs))
}
func (f fakeListeners) Files() map[string]*os.File { return nil }

// house is a gateway with a configuration on disk, on a fake box.
type house struct {
	onions  *onions.Feature
	friends *friends.Feature
	people  people.Feature
	phones  phones.Feature
	devices struct {
		*household.Feature
		why.Explainer
	}
	bypass *bypass.Feature
	mail   mail.Feature
	logs   servers.Feature

	settings *settings.Feature
	*Gateway
	*fakes
	notes []string
}

const mainFile = "gateway.ntp = false\n[household]\ninterfaces = [\"br-lan\"]\n"

func newHouse(t testing.TB, files map[string]string) *house {
	t.Helper()
	return newHouseIn(t, t.TempDir(), files)
}

func newHouseIn(t testing.TB, root string, files map[string]string) *house {
	t.Helper()
	p := config.NewPaths(root)
	for _, dir := range []string{p.Root, filepath.Dir(p.Root)} { // tor's user passes
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{p.Etc, p.DeviceDir(), p.OnionDir(), p.EndpointDir(), p.TorrcDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := &house{fakes: &fakes{t: t, fail: map[string]error{}}}
	h.status = tor.Status{Running: true, Bootstrap: 100, Circuits: true, Live: true, Version: "0.4.9.11"}
	h.facts = feature.Facts{IPv6: true, Forwarding: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64")}}}}
	if files == nil {
		files = map[string]string{}
	}
	if files["tunic.toml"] == "" {
		files["tunic.toml"] = mainFile
	}
	for name, text := range files {
		path := filepath.Join(p.Etc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(p)
	if err != nil {
		t.Fatal(err)
	}
	serveIDs, mailIDs := feature.IDs{UID: uint32(os.Getuid()), GID: 109},
		feature.IDs{UID: 110, GID: uint32(os.Getgid())} // chown takes root
	chatIDs := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	torIDs := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if os.Getuid() == 0 {
		serveIDs.UID, chatIDs, torIDs.UID = 109, feature.IDs{UID: 112, GID: 112}, 107
	}
	h.Gateway = New(Options{Version: "test", Paths: p,
		Users: feature.ChildIDs{Tor: torIDs, Serve: serveIDs, Mail: mailIDs, XMPP: chatIDs,
			IRC: chatIDs}, Log: slog.New(slog.DiscardHandler),
		Tor: fakeTor{h.fakes}, Fast: fakeFast{h.fakes}, Kernel: fakeKernel{h.fakes}, System: fakeSystem{h.fakes},
		Backend: func() error { h.fakes.mu.Lock(); defer h.fakes.mu.Unlock(); return h.fail["backend"] },
		Server:  fakeServer{h.fakes}, Servers: fakeServers{h.fakes}, Listeners: fakeListeners{h.fakes},
		Notify: func(s string) { h.notes = append(h.notes, s) }}, c)
	h.furnish()
	return h
}

// furnish gives the house its features.
func (h *house) furnish() {
	h.onions = onions.New(h.Gateway, onions.Parts{Paths: h.Paths, Owner: h.Users.Tor, Log: h.Log,
		Ring: func() onions.Round { return testRound{ring.Round()} }, Tor: fakeTor{h.fakes}, Fast: fakeFast{h.fakes},
		Server: fakeServer{h.fakes}, Kernel: fakeKernel{h.fakes}})
	h.friends = friends.New(h.Gateway, friends.Parts{Paths: h.Paths, Owner: h.Users.Tor, Log: h.Log,
		Sign: func(string, feature.IDs, []byte) (s peer.Signature, err error) {
			return s,
				errBroken
		}, Tor: fakeTor{h.fakes}, Server: fakeServer{h.fakes}})
	h.bypass = bypass.New(h.Gateway, h.Paths, fakeKernel{h.fakes})
	h.people, h.mail = people.New(h.Gateway), mail.New(h.Gateway, fakeServer{h.fakes})
	h.phones = phones.New(h.Gateway, phones.Parts{Paths: h.Paths, Log: h.Log, Onions: h.onions})
	h.settings = settings.New(h.Gateway, h.Paths, h.Log)
	h.logs = servers.New(h.Gateway, fakeServers{h.fakes})
	h.devices.Feature = household.New(h.Gateway, household.Parts{Paths: h.Paths, Log: h.Log, Kernel: fakeKernel{h.fakes},
		System: fakeSystem{h.fakes}, Tor: fakeTor{h.fakes}, Server: fakeServer{h.fakes}})
	h.devices.Explainer = why.Explainer{Host: h.Gateway, Log: h.Log, System: fakeSystem{h.fakes}, Finder: h.devices.Feature}
	h.Features = []feature.Feature{h.onions, h.friends, h.devices.Feature, block.Feature{}, upstream.Feature{}, entry.Feature{}, h.bypass,
		timekeeping.Feature{}, networks.Feature{}, h.people, h.phones,
		h.mail, irc.Feature{}, xmpp.New(), i2p.Feature{}, gopher.Feature{}, numbers.Feature{}, h.settings,
		page.New(h.Gateway, page.Parts{}), h.logs}
}

// pass makes a pass, after which what is wanted is what is computed of the same without any memory.
func (h *house) pass(ctx context.Context) bool {
	done := h.Gateway.pass(ctx)
	if v := h.snapshot(); v.in.Wishes != nil && !reflect.DeepEqual(v.desired, desire.State(v.in)) {
		h.t.Errorf("something that is wanted is out of date:\n%v\nnot\n%v", v.desired, desire.State(v.in))
	}
	return done
}

func (h *house) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.Paths.Etc, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// running starts the loop and ends it with the test, or when stop is called.
func (h *house) running(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	if err := h.do(ctx, func(ctx context.Context) error { h.pass(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
	return stop
}

func (h *house) codes(t *testing.T) []string {
	t.Helper()
	var codes []string
	for _, f := range h.Gateway.Status(t.Context()).Findings {
		codes = append(codes, string(f.Code))
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

var errBroken = errors.New("broken")

// ring is that of all houses: a user may have 128 instances of inotify(7).
var ring onion.Keyring

// testRound makes keys: changing owners takes root.
type testRound struct{ onion.Round }

func (r testRound) Ensure(dir string, _, _ int) (onion.Address, error) {
	return r.Round.Ensure(dir, os.Getuid(), os.Getgid())
}

// Surroundings has a link for the household's by its name, or where the test says so:
// as by its group.
func (k fakeKernel) Surroundings(_ context.Context, household []string) (feature.Surroundings, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	around := k.around
	around.Links = slices.Clone(around.Links)
	for i, l := range around.Links {
		around.Links[i].Household = l.Household || slices.Contains(household, l.Name)
	}
	return around, k.fail["around"]
}
