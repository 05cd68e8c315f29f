package gateway

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/tor"
	"tunic/rules"
)

const photos = "[ports]\n80 = \"192.168.77.20:8080\"\n"

func (h *house) expect(t *testing.T, want string) {
	t.Helper()
	if got := h.took(); got != want {
		t.Errorf("did: %s\nwant: %s", got, want)
	}
}

// Closed first, open last, and a second pass touches nothing.
func TestOrder(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	if err := h.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !h.pass(t.Context()) {
		t.Fatalf("the pass is not done: %s", h.current.why)
	}
	h.expect(t, "rules closed, tor 1, listen 17, serve 1, rules open, cut onion 10 99 250, cut direct 10 99 250, cut portal 10 99 250")
	h.pass(t.Context())
	h.expect(t, "listen 17, serve 1")
}

// No step that fails, or is not ready, is followed by open rules.
func TestNothingOpensBeforeAllIsWell(t *testing.T) {
	for name, breakIt := range map[string]func(*fakes){
		"tor refuses":      func(b *fakes) { b.fail["tor"] = errBroken },
		"tor is down":      func(b *fakes) { b.status.Running = false },
		"tor is at 45":     func(b *fakes) { b.status.Bootstrap = 45 },
		"serve is down":    func(b *fakes) { b.fail["serve"] = errBroken },
		"no facts":         func(b *fakes) { b.fail["facts"] = errBroken },
		"flows stay":       func(b *fakes) { b.fail["cut"] = errBroken },
		"tor is not there": func(b *fakes) { b.fail["tor"] = tor.ErrNoTor },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, map[string]string{"onions/photos.toml": photos})
			h.set(func() { breakIt(h.fakes) })
			if err := h.close(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if h.pass(t.Context()) {
					t.Error("the pass says that it is done")
				}
			}
			s := h.Gateway.Status(t.Context())
			if mode(h.loaded) != "closed" || s.State != api.Closed || s.Ready || s.Why == "" {
				t.Errorf("rules %s, state %s, ready %v, why %q", mode(h.loaded), s.State, s.Ready, s.Why)
			}
			if len(s.Findings) == 0 || name == "tor is not there" && s.Why != "tor is not installed" {
				t.Errorf("what is wrong is not said: why %q, %v", s.Why, s.Findings)
			}
			h.set(func() { h.fail, h.status.Running, h.status.Bootstrap = map[string]error{}, true, 100 })
			if !h.pass(t.Context()) || mode(h.loaded) != "open" {
				t.Errorf("after the repair: rules %s, %s", mode(h.loaded), h.current.why)
			}
		})
	}
}

// A tor that dies changes no rule: they lead to nobody until it is back.
func TestTorDiesLater(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	h.took()
	h.set(func() { h.status = tor.Status{LastError: "it was killed"} })
	if h.pass(t.Context()) {
		t.Error("the pass says that all is done")
	}
	h.expect(t, "listen 16, serve 0")
	s := h.Gateway.Status(t.Context())
	if s.Ready || s.State != api.Open || !slices.Contains(h.codes(t), "tor-down") {
		t.Errorf("ready %v, state %s, findings %v", s.Ready, s.State, h.codes(t))
	}
}

func TestDriftIsPutBackAndReported(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	h.took()
	h.set(func() { h.drift = []string{"ip4 filter: hook of TUNIC-FORWARD is gone"} })
	h.verified = h.verified.Add(-verifyEvery)
	h.pass(t.Context())
	h.expect(t, "listen 16, serve 0, rules open")
	if !slices.Contains(h.codes(t), "rules-drift") {
		t.Errorf("findings: %v", h.codes(t))
	}
}

// Rules that cannot be loaded leave the closed ones, and are tried again.
func TestRulesFail(t *testing.T) {
	h := newHouse(t, nil)
	if err := h.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.set(func() { h.fail["rules"] = errBroken })
	if h.pass(t.Context()) {
		t.Error("the pass says that it is done")
	}
	if mode(h.loaded) != "closed" || !slices.Contains(h.codes(t), "rules-failed") {
		t.Errorf("rules %s, findings %v", mode(h.loaded), h.codes(t))
	}
	h.set(func() { delete(h.fail, "rules") })
	if !h.pass(t.Context()) {
		t.Error(h.current.why)
	}
}

func TestRunClosesAtTheEnd(t *testing.T) {
	h := newHouse(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	if err := h.do(ctx, func(ctx context.Context) error { h.pass(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if mode(h.loaded) != "closed" {
		t.Error("the rules are open after the end")
	}
}

func TestRunFailsIfItCannotClose(t *testing.T) {
	h := newHouse(t, nil)
	h.fail["rules"] = errBroken
	if err := h.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("Run: %v", err)
	}
}

func TestReload(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	h.took()
	t.Run("a mistake changes nothing", func(t *testing.T) {
		h.write(t, "onions/photos.toml", "[ports]\n80 = \"nowhere\"\n")
		err := h.Reload(t.Context())
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || !strings.Contains(err.Error(), "photos.toml:2") {
			t.Errorf("Reload: %v", err)
		}
		h.expect(t, "")
	})
	t.Run("a refused torrc line changes nothing", func(t *testing.T) {
		h.write(t, "onions/photos.toml", photos)
		h.write(t, "torrc.d/x.conf", "ContactInfo me\nSocksPort 0.0.0.0:1\n")
		if err := h.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "x.conf:2") {
			t.Errorf("Reload: %v", err)
		}
		h.expect(t, "")
	})
	t.Run("a torrc line that tor refuses changes nothing", func(t *testing.T) {
		h.write(t, "torrc.d/x.conf", "Bogus 1\n")
		h.set(func() { h.fail["verify"] = errBroken })
		err := h.Reload(t.Context())
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
			t.Errorf("Reload: %v", err)
		}
		h.expect(t, "verify")
	})
	t.Run("good files are applied", func(t *testing.T) {
		os.Remove(filepath.Join(h.Paths.TorrcDir(), "x.conf"))
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.expect(t, "tor 1, listen 17, serve 1, rules open") // which let serve dial the target
	})
	t.Run("a stricter policy cuts flows after the rules", func(t *testing.T) {
		h.write(t, "devices/tv.toml", "mac = \"02:00:00:00:00:10\"\npolicy = \"direct\"\n")
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.expect(t, "listen 17, serve 1, rules open")
		h.write(t, "devices/tv.toml", "mac = \"02:00:00:00:00:10\"\npolicy = \"tor\"\n")
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.expect(t, "listen 17, serve 1, rules open, cut onion 10 250, cut direct 10 250")
	})
}

func TestLockdownHoldsUntilReload(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	if err := h.Lockdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil })
	if s := h.Gateway.Status(t.Context()); mode(h.loaded) != "closed" || s.State != api.Closed {
		t.Errorf("rules %s, state %s", mode(h.loaded), s.State)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mode(h.loaded) != "open" {
		t.Error("the reload did not open the household")
	}
}

func TestPublish(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	file := filepath.Join(h.Paths.OnionDir(), "photos.toml")
	o, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "photos",
		Ports: []string{"443=192.168.77.20:8443", "80=192.168.77.20:8080"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Address) != 62 || len(o.Ports) != 2 || o.Ports[0].Port != 80 || !o.Ports[0].Reachable {
		t.Errorf("published %+v", o)
	}
	if err := h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "photos"}); err != nil {
		t.Fatal(err)
	}
	again, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "photos", Ports: []string{"80=192.168.77.20:8080"}})
	if err != nil || again.Address != o.Address {
		t.Errorf("published again as %s (%v), was %s", again.Address, err, o.Address)
	}
	if _, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "photos", Ports: []string{"80=192.168.77.21:8080"}}); err == nil {
		t.Error("another onion took over the name")
	}
	if text, _ := os.ReadFile(file); !strings.Contains(string(text), "192.168.77.20:8080") {
		t.Errorf("the first file was changed: %s", text)
	}
	for _, bad := range [][]string{nil, {"80"}, {"0=192.168.77.20:80"}, {"80=127.0.0.1:9250"}, {"80=endpoint:gopher"},
		{"80=192.168.77.20:80", "80=192.168.77.21:80"}} {
		_, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "other", Ports: bad})
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
			t.Errorf("publishing %v: %v", bad, err)
		}
	}
	if _, err := os.Stat(filepath.Join(h.Paths.OnionDir(), "other.toml")); err == nil {
		t.Error("a refused onion left its file")
	}
	if err := h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: "nobody"}); err == nil {
		t.Error("an onion that is not there was unpublished")
	}
}

func TestPlanShowsExactlyWhatChanges(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	if p, err := h.Plan(t.Context()); err != nil || len(p.Changes) != 0 {
		t.Fatalf("without a change: %q, %v", p.Changes, err)
	}
	h.write(t, "devices/tv.toml", "mac = \"02:00:00:00:00:10\"\npolicy = \"direct\"\n")
	h.took()
	p, err := h.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Changes) != 2 { // the device's mark, in both families
		t.Errorf("the plan: %s", strings.Join(p.Changes, "\n"))
	}
	for _, line := range p.Changes {
		if !strings.HasPrefix(line, "+ ") || !strings.Contains(line, "TUNIC-DEVICE") || !strings.Contains(line, "02:00:00:00:00:10") {
			t.Errorf("unexpected line %q", line)
		}
	}
	h.expect(t, "")
}

func TestReadyAndNotify(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.pass(t.Context())
	if s := h.Gateway.Status(t.Context()); s.Ready || !slices.Contains(h.codes(t), "onion-not-published") {
		t.Errorf("ready %v before the descriptor is uploaded; %v", s.Ready, h.codes(t))
	}
	addr := string(h.current.in.Addresses["photos"])
	h.set(func() { h.status.Onions = map[string]tor.Descriptor{addr: {Out: true, Uploads: 2, At: time.Now()}} })
	h.pass(t.Context())
	h.pass(t.Context())
	if s := h.Gateway.Status(t.Context()); !s.Ready || s.Why != "" {
		t.Errorf("ready %v, why %q", s.Ready, s.Why)
	}
	if want := []string{"STATUS=the onion photos is not published yet", "STATUS=open"}; !slices.Equal(h.notes, want) {
		t.Errorf("the service manager was told %q", h.notes)
	}
}

// TestReadyIsInCharge: the service manager waits until the rules are closed and
// the daemon holds them, and for nothing else.
func TestReadyIsInCharge(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.status.Running, h.status.Bootstrap = true, 10 })
	h.running(t)
	if len(h.notes) < 2 || h.notes[0] != "READY=1" || !strings.HasPrefix(h.notes[1], "STATUS=Tor is connecting: 10 %") {
		t.Errorf("the service manager was told %q", h.notes)
	}
	if err := h.Reload(t.Context()); err != nil || mode(h.loaded) != "closed" {
		t.Errorf("reload while Tor connects: %v; the rules are %s", err, mode(h.loaded))
	}
}

// TestNotReadyUnlessClosed is the other half.
func TestNotReadyUnlessClosed(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.fail["rules"] = errBroken })
	if err := h.Run(t.Context()); !errors.Is(err, errBroken) || len(h.notes) > 0 {
		t.Errorf("%v; the service manager was told %q", err, h.notes)
	}
}

func TestInterfaceMissing(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.facts.Interfaces[0].Index, h.facts.Interfaces[0].Addresses = 0, nil })
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if s.Ready || !slices.Contains(h.codes(t), "interface-missing") {
		t.Errorf("ready %v, findings %v", s.Ready, h.codes(t))
	}
	if mode(h.loaded) != "open" || !strings.Contains(h.loaded.Text(rules.IPv4, "filter"), "br-lan") {
		t.Error("an interface that is to come has no rules")
	}
}

// TestInterfaceRenamed: what is bound to an interface that has another name now
// stays, its addresses stay in the rules, and its group is named there.
func TestInterfaceRenamed(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	before := h.loaded
	h.took()
	h.set(func() { h.facts.Interfaces = []feature.InterfaceFacts{{Name: "br-lan"}} })
	h.pass(t.Context())
	if did := h.took(); strings.Contains(did, "rules") || !h.loaded.Equal(before) ||
		!strings.Contains(before.String(), "--src-group 0x74756e") {
		t.Errorf("did: %s", did)
	}
	if n := len(h.snapshot().desired.Listeners); n == 0 || !slices.Contains(h.codes(t), "interface-missing") {
		t.Errorf("%d listeners, findings %v", n, h.codes(t))
	}
	if s := h.Gateway.Status(t.Context()); s.Household.Interfaces[0].Present {
		t.Error("status says that it is there")
	}
	h.set(func() {
		h.facts.Interfaces = []feature.InterfaceFacts{{Name: "br-lan", Index: 5,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.78.1/24")}}}
	})
	h.pass(t.Context())
	if s := h.Gateway.Status(t.Context()); !s.Household.Interfaces[0].Present ||
		!strings.Contains(h.loaded.String(), "192.168.78.0/24") || strings.Contains(h.loaded.String(), "192.168.77.0/24") {
		t.Errorf("another interface of that name: %+v", s.Household.Interfaces)
	}
}

// TestStatusHasWhatServeCounts: no number of it is sent for nobody.
func TestStatusHasWhatServeCounts(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	want := api.Served{
		Faults: 11101, Questions: 2, Unanswered: 3, Cached: 6, DNSRefused: 7, Blocked: 20,
		Connections: 4, Active: 8, Unconnected: 9, SOCKSRefused: 10, Up: 11, Down: 12,
		Time: api.Times{Answered: 13, Refused: 14}, OwnTime: api.Times{Answered: 15, Refused: 16},
		Services: []api.Service{{Name: "imap", Active: 17, Accepted: 18, Refused: 19}},
	}
	if got := s.Household.Served; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if o := s.Onions[len(s.Onions)-1]; o.Name != "photos" || o.Turned != 5 {
		t.Errorf("%+v", o)
	}
}

func TestStatusMergesDevices(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/tv.toml": "mac = \"02:00:00:00:00:10\"\npolicy = \"direct\"\n"})
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if len(s.Household.Devices) != 4 { // two of them are known to the DHCP server only
		t.Fatalf("devices: %+v", s.Household.Devices)
	}
	other, tv := s.Household.Devices[0], s.Household.Devices[1]
	if tv.Name != "tv" || tv.Policy != "direct" || len(tv.Addresses) != 1 || other.Policy != "tor" {
		t.Errorf("devices: %+v", s.Household.Devices)
	}
	if len(s.Leaks) != 1 {
		t.Errorf("a direct device is an exception: %q", s.Leaks)
	}
}
