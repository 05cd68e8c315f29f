package services

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/api"
	"tunic/gateway/cell"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
	"tunic/rules"
)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func address(n byte) onion.Address {
	return onion.FromPublicKey(key(n).Public().(ed25519.PublicKey))
}

// host is a reconciler with a scene in force.
type host struct {
	feature.Host
	now feature.Now
}

func (h *host) Now() feature.Now { return h.now }

func (*host) Edit(_ context.Context, e feature.Edit) error { return e.Write() }

// house has bob and carol as friends, and a service for bob.
func house(t *testing.T) (*Feature, *host, *[]cell.Order) {
	t.Helper()
	h := &host{}
	uptime := config.NewService("uptime")
	uptime.Command, uptime.Friends, uptime.Port, uptime.Limits.AtOnce = []string{"/bin/true"}, []string{"bob"}, 79, 2
	target, err := config.ParseServiceTarget("192.168.77.20:564")
	if err != nil {
		t.Fatal(err)
	}
	share := config.NewService("share")
	share.Target, share.Friends = target, []string{"bob", "carol"}
	h.now.Config = &config.Config{Services: []config.Service{share, uptime},
		Peers: []config.Peer{{Name: "bob", Onion: string(address(2))}, {Name: "carol", Onion: string(address(3))}}}
	h.now.Addresses = map[string]onion.Address{config.HomeOnion: address(1)}
	h.now.Service, h.now.Serve = feature.IDs{UID: 970, GID: 970}, feature.IDs{UID: 971, GID: 971}
	h.now.Certain = time.Now()
	var started []cell.Order
	f := New(h, Parts{Paths: config.NewPaths(t.TempDir()), Log: slog.New(slog.DiscardHandler),
		Sign: func(_ string, _ feature.IDs, m []byte) (s peer.Signature, err error) {
			copy(s[:], ed25519.Sign(key(1), m))
			return s, nil
		},
		Start: func(o cell.Order, _, _ *os.File) (*supervise.Process, error) {
			started = append(started, o)
			return supervise.Start(supervise.Command{Name: "test", Path: "/bin/sleep", Args: []string{"30"}},
				slog.New(slog.DiscardHandler), nil)
		}})
	h.now.Paths = f.Paths
	t.Cleanup(func() { f.endOthers(&config.Config{}, feature.IDs{}) })
	return f, h, &started
}

// files are what serve sends with a question.
func files(t *testing.T) []*os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	list := []*os.File{os.NewFile(uintptr(fds[0]), "a"), write, os.NewFile(uintptr(fds[1]), "b"), read}
	t.Cleanup(func() {
		for _, f := range list {
			f.Close()
		}
	})
	return list[:2]
}

// listening is a socket with which nobody is connected, so that nobody is ever gone from it.
func listening(t *testing.T) *os.File {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket")})
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); ln.Close() })
	return f
}

// datagrams is a socket of a pair whose other end nobody sees close.
func datagrams(t *testing.T) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, other := os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	t.Cleanup(func() { f.Close(); other.Close() })
	return f
}

func friend(n byte) link.Key { return link.Key(peer.KeyOf(address(n))) }

// A serve that was taken over gets what its box offers to friends started, and nothing else.
func TestRunRefuses(t *testing.T) {
	f, h, started := house(t)
	for name, q := range map[string]link.Run{
		"another friend's":         {Service: "uptime", Friend: friend(3)},
		"a stranger's":             {Service: "uptime", Friend: friend(4)},
		"this box's own":           {Service: "uptime", Friend: friend(1)},
		"nobody's":                 {Service: "uptime"},
		"a target":                 {Service: "share", Friend: friend(2)},
		"one that is not there":    {Service: "other", Friend: friend(2)},
		"a program instead":        {Service: "/bin/sh", Friend: friend(2)},
		"a file beside the others": {Service: "../devices/tv", Friend: friend(2)},
	} {
		if _, err := f.run(t.Context(), q, files(t)); !errors.Is(err, errNot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	good := files(t)
	wrong := [][]*os.File{{null, good[1]}, {good[0], null}, {good[1], good[0]}, {listening(t), good[1]}, {datagrams(t), good[1]}}
	for _, wrong := range wrong {
		if _, err := f.run(t.Context(), link.Run{Service: "uptime", Friend: friend(2)}, wrong); err == nil {
			t.Error("other files are taken for a stream and a pipe")
		}
	}
	h.now.Service = feature.IDs{}
	if _, err := f.run(t.Context(), link.Run{Service: "uptime", Friend: friend(2)}, good); err == nil {
		t.Error("a command runs as nobody's user")
	}
	if len(*started) > 0 {
		t.Errorf("started: %+v", *started)
	}
}

// What is offered is started as the file says, as often as it says, and ends when it is
// not offered any more.
func TestRun(t *testing.T) {
	f, h, started := house(t)
	q := link.Run{Service: "uptime", Friend: friend(2)}
	for n := range 3 {
		if _, err := f.run(t.Context(), q, files(t)); (err == nil) != (n < 2) {
			t.Errorf("number %d: %v", n+1, err)
		}
	}
	o := (*started)[0]
	if !slices.Equal(o.Command, []string{"/bin/true"}) || o.UID != 970 || o.GID != 970 || o.Processes == 0 || o.Memory == 0 || o.Time == 0 {
		t.Errorf("%+v", o)
	}
	for _, want := range []string{"TUNIC_FRIEND=bob", "TUNIC_KEY=" + string(address(2)), "TUNIC_SERVICE=uptime", "PROTO=TCP",
		"TCPREMOTEINFO=bob", "TCPREMOTEHOST=" + string(address(2)) + ".peer.home.arpa"} {
		if !slices.Contains(o.Env, want) {
			t.Errorf("%q lacks %s", o.Env, want)
		}
	}
	f.endOthers(h.now.Config, h.now.Service)
	if len(f.runs) != 2 {
		t.Errorf("%d run", len(f.runs))
	}
	changed := *h.now.Config
	changed.Services = slices.Clone(changed.Services)
	changed.Services[1].Friends = []string{"carol"}
	f.endOthers(&changed, h.now.Service)
	for end := time.Now().Add(20 * time.Second); f.running() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the commands go on")
		}
	}
}

// Commands that end at once cost as much to start as others: a friend who has them started
// again and again waits, and other friends do not.
func TestStartsAreBounded(t *testing.T) {
	f, h, started := house(t)
	changed := *h.now.Config
	changed.Services = slices.Clone(changed.Services)
	for i := range changed.Services {
		changed.Services[i].Limits.AtOnce, changed.Services[i].Friends = maxRuns, []string{"bob", "carol"}
	}
	h.now.Config = &changed
	begin, given := time.Now(), 0
	for range startBurst + 3 {
		if _, err := f.run(t.Context(), link.Run{Service: "uptime", Friend: friend(2)}, files(t)); err == nil {
			given++
		}
	}
	if took := time.Since(begin); given < startBurst || given > startBurst+int(took/startPause) {
		t.Errorf("%d were started in %v", given, took)
	}
	if _, err := f.run(t.Context(), link.Run{Service: "uptime", Friend: friend(3)}, files(t)); err != nil || len(*started) != given+1 {
		t.Errorf("another friend's: %v, %d were started", err, len(*started))
	}
}

func (f *Feature) running() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.runs)
}

// look is a pass.
func look(f *Feature, h *host) (feature.Desired, *feature.Report) {
	s, r := h.now.Scene, new(feature.Report)
	var d feature.Desired
	d.Serve.DNS.Names = []link.Name{
		{Label: "bob", Onion: friend(2), Addrs: []netip.Addr{netip.MustParseAddr("10.200.1.0"), netip.MustParseAddr("fd00::100")}},
		{Label: "photos.bob", Onion: friend(5), Addrs: []netip.Addr{netip.MustParseAddr("10.200.1.1")}}}
	d.Rules.Services = []rules.Service{{Name: "shares", Public: 80, Internal: 1, To: netip.MustParseAddr("10.200.1.0")},
		{Name: "files", Public: 5281, Internal: 2, Virtual: true}}
	f.Look(context.Background(), &s, r).Add(s, &d)
	return d, r
}

// What serve is told, and where devices are led that dial what a friend offers.
func TestWant(t *testing.T) {
	f, h, _ := house(t)
	d, _ := look(f, h)
	if len(d.Rules.Services) != 3 || d.Rules.Services[2].Public != config.MuxPort || len(d.Serve.Services.Friends) != 1 {
		t.Errorf("before a friend's box has said what it offers: %+v", d.Rules.Services)
	}
	h.now.Offered = map[onion.Address][]link.ServiceOffer{address(2): {{Name: "nine", Port: 564}, {Name: "web", Port: 80},
		{Name: "files", Port: 5281}, {Name: "again", Port: 564}, {Name: "plain"}}}
	d, r := look(f, h)
	w := d.Serve.Services
	if w == nil || len(w.Own) != 2 || len(w.Friends) != 1 || w.Leaf.Cert == "" || len(r.Findings) > 0 {
		t.Fatalf("%+v, %v", w, r.Findings)
	}
	if got := w.Own[0].Friends; len(got) != 2 || got[0].Name != "bob" || got[0].Onion != friend(2) ||
		w.Own[0].Command || !w.Own[1].Command {
		t.Errorf("%+v", w.Own)
	}
	var led []uint16
	for _, s := range d.Rules.Services[2:] {
		if s.Name != "services" || s.Internal != config.ServeServicesPort || s.To != netip.MustParseAddr("10.200.1.0") {
			t.Errorf("%+v", s)
		}
		led = append(led, s.Public)
	}
	if !slices.Equal(led, []uint16{1, 564}) {
		t.Errorf("devices are led at ports %v", led)
	}
	again, _ := look(f, h)
	if again.Serve.Services.Leaf != w.Leaf {
		t.Error("each pass makes another certificate")
	}
	h.now.Certain = h.now.Certain.Add(61 * 24 * time.Hour)
	if later, _ := look(f, h); later.Serve.Services.Leaf == w.Leaf {
		t.Error("the certificate is not renewed")
	}
	if strings.Contains(d.String(), "PRIVATE KEY") {
		t.Error("the key of the certificate is shown")
	}
}

// A program that is not there is said, and not offered.
func TestUnusable(t *testing.T) {
	f, h, _ := house(t)
	h.now.Config.Services[1].Command = []string{"/nonexistent/program"}
	d, r := look(f, h)
	if len(d.Serve.Services.Own) != 1 || len(r.Findings) != 1 ||
		!strings.Contains(r.Findings[0].Text, "there is no program /nonexistent/program") {
		t.Errorf("%+v, %v", d.Serve.Services.Own, r.Findings)
	}
	h.now.Config.Services[1].Command = []string{"/etc/passwd"}
	if _, r := look(f, h); len(r.Findings) != 1 {
		t.Errorf("what is no program: %v", r.Findings)
	}
	for name, want := range map[string]string{"sh": "with its whole path: /", "nonexistent": "nonexistent is no program with its"} {
		if why := unusable(config.Service{Command: []string{name}}, feature.IDs{UID: 1, GID: 1}); !strings.Contains(why, want) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// A program is told by a variable which friend comes: a header is for servers.
func TestNoHeaderForAProgram(t *testing.T) {
	r := api.ServiceRequest{Name: "up", Friends: []string{"bob"}, Command: []string{"/bin/true"}, Proxy: true}
	if _, err := parse(r); err == nil || !strings.Contains(err.Error(), "TUNIC_FRIEND") {
		t.Errorf("a program: %v", err)
	}
	r.Command, r.Target = nil, "192.168.77.20:80"
	if s, err := parse(r); err != nil || s.Target.Proxy != config.ProxyV2 {
		t.Errorf("a server: %+v, %v", s, err)
	}
}
