package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/tor"
)

func arrived(port uint16, at time.Time) link.Reached {
	return link.Reached{Ports: []link.PortStatus{{Virtual: port, At: at, Reachable: true}},
		Calls: []link.OwnCall{{Virtual: port, At: at, Took: time.Second}}}
}

func lost(port uint16, at time.Time, why string) link.Reached {
	return link.Reached{Ports: []link.PortStatus{{Virtual: port, At: at, Reachable: true}},
		Calls: []link.OwnCall{{Virtual: port, At: at, Error: why}}}
}

// between runs a plan's random time many times and checks its bounds.
func published80(t *testing.T) *house {
	h := newHouse(t, map[string]string{"onions/photos.toml": "as = \"nextcloud\"\n[ports]\n80 = \"192.168.1.20:8080\"\n"})
	h.pass(t.Context())
	addr := string(h.snapshot().in.Addresses["photos"])
	h.set(func() {
		h.status.Live, h.status.Circuits = true, true
		h.status.Onions = map[string]tor.Descriptor{addr: {Out: true, Uploads: 8, Directories: 6, At: time.Now()}}
	})
	return h
}

func photosIn(t *testing.T, list []api.Onion) api.Onion {
	t.Helper()
	i := slices.IndexFunc(list, func(o api.Onion) bool { return o.Name == "photos" })
	if i < 0 {
		t.Fatalf("no photos in %+v", list)
	}
	return list[i]
}

func TestCheckSaysWhatItFinds(t *testing.T) {
	h := published80(t)
	h.set(func() { h.reached = map[string]link.Reached{"photos": arrived(80, time.Now())} })
	o, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"})
	if err != nil || o.Visitors != api.Yes || o.Directories != 6 || !o.Key || o.As != "nextcloud" ||
		o.Ports[0].Protocol != "http" || o.Ports[0].Call == nil || !o.Ports[0].Call.OK || o.Ports[0].LastUp == nil {
		t.Fatalf("%+v, %v", o, err)
	}
	if got := h.codes(t); slices.Contains(got, string(health.OnionUnreachable)) {
		t.Errorf("findings %v", got)
	}
	since := o.Ports[0].Call.LastOK
	h.set(func() { h.reached["photos"] = lost(80, time.Now(), "no directory\x1b[31m has its descriptor") })
	o, err = h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"})
	if c := o.Ports[0].Call; err != nil || o.Visitors != api.No || c.OK || c.Error != "no directory [31m has its descriptor" ||
		!c.LastOK.Equal(*since) {
		t.Errorf("%+v, %v", o, err)
	}
	found := h.Gateway.Status(t.Context()).Findings
	if i := slices.IndexFunc(found, func(f health.Finding) bool { return f.Code == health.OnionUnreachable }); i < 0 ||
		!strings.Contains(found[i].Text, "photos, port 80") || found[i].Action == "" {
		t.Errorf("findings %+v", found)
	}
	h.set(func() { h.reached["photos"] = arrived(80, time.Now()) })
	if _, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"}); err != nil ||
		slices.Contains(h.codes(t), string(health.OnionUnreachable)) {
		t.Errorf("after a call that arrived: %v, %v", h.codes(t), err)
	}
}

func TestFindingsOfReach(t *testing.T) {
	now := time.Now()
	for code, got := range map[health.Code]link.Reached{
		health.OnionElsewhere: {Calls: []link.OwnCall{{Virtual: 80, At: now, Error: "x", Elsewhere: true}}},
		health.NameRefused: {Ports: []link.PortStatus{{Virtual: 80, At: now.Add(time.Hour), Reachable: true, Refuses: true,
			Saw: "HTTP 400"}}, Calls: []link.OwnCall{{Virtual: 80, At: now}}},
	} {
		h := published80(t)
		h.set(func() { h.reached = map[string]link.Reached{"photos": got} })
		if _, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"}); err != nil ||
			!slices.Contains(h.codes(t), string(code)) {
			t.Errorf("%s is not among %v, %v", code, h.codes(t), err)
		}
	}
	h := published80(t)
	addr := string(h.snapshot().in.Addresses["photos"])
	h.set(func() {
		h.status.Onions[addr] = tor.Descriptor{Out: true, Uploads: 1, At: now, Failed: 2, LastError: "UPLOAD_REJECTED"}
	})
	if !slices.Contains(h.codes(t), string(health.UploadRefused)) {
		t.Errorf("findings %v", h.codes(t))
	}
}

func TestCheckOfWhatCannotBeChecked(t *testing.T) {
	h := published80(t)
	if _, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "nobody"}); err == nil || !strings.Contains(err.Error(), "no onion") {
		t.Errorf("an unknown one: %v", err)
	}
	if o, err := h.onions.Check(t.Context(), api.CheckRequest{Name: config.HomeOnion}); err != nil || !o.Private ||
		o.Visitors != api.Unknown {
		t.Errorf("home, which nobody may visit: %+v, %v", o, err)
	}
	h.took()
	h.set(func() { h.status.Bootstrap = 30 })
	if _, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"}); err == nil ||
		!strings.Contains(err.Error(), "Tor is not connected") {
		t.Errorf("without Tor: %v", err)
	}
	h.set(func() { h.status.Bootstrap, h.fail["reach"] = 100, errBroken })
	if _, err := h.onions.Check(t.Context(), api.CheckRequest{Name: "photos"}); err == nil {
		t.Error("a check that failed is taken for one that found nothing")
	}
}

// The loop calls, and publishes again what does not answer; nothing else.
func TestWatchRepairs(t *testing.T) {
	h := published80(t)
	h.set(func() {
		h.reached = map[string]link.Reached{"photos": lost(80, time.Now(), "none of its introduction points let us in")}
	})
	h.took()
	clock := time.Now()
	h.onions.Now = func() time.Time { return clock }
	for _, later := range []time.Duration{time.Minute, 12 * time.Minute, 12 * time.Minute, 12 * time.Minute} {
		clock = clock.Add(later)
		h.onions.Watch(t.Context())
	}
	if took := h.took(); !slices.Contains(h.reaching, "photos true") || strings.Count(took, "republish photos") != 1 ||
		strings.Contains(took, "rules") {
		t.Errorf("what happened: %s", took)
	}
	o := photosIn(t, h.Gateway.Status(t.Context()).Onions)
	if o.Repairs != 1 || o.RepairedAt == nil || o.Visitors != api.No {
		t.Errorf("%+v", o)
	}
	h.set(func() { h.status.Running = false })
	before := len(h.reaching)
	clock = clock.Add(2 * time.Hour)
	h.onions.Watch(t.Context())
	if len(h.reaching) > before {
		t.Errorf("without tor: %v", h.reaching)
	}
}

// While the network is away nothing is called, and who was not reached before is called soon when it
// is there again, however rarely that was tried by then.
func TestWatchWithoutTheNetwork(t *testing.T) {
	h := published80(t)
	h.set(func() { h.reached = map[string]link.Reached{"photos": lost(80, time.Now(), "x")} })
	clock := time.Now()
	h.onions.Now = func() time.Time { return clock }
	watch := func(times int, every time.Duration) (calls int) {
		before := len(h.reaching)
		for range times {
			clock = clock.Add(every)
			h.onions.Watch(t.Context())
		}
		for _, what := range h.reaching[before:] {
			if what == "photos true" {
				calls++
			}
		}
		return calls
	}
	watch(30, 10*time.Minute) // from now on it is called each half an hour
	for what, away := range map[string]func(){"tor says so": func() { h.status.Live = false },
		"no circuit": func() { h.status.Circuits = false }, "tor starts": func() { h.status.Bootstrap = 50 }} {
		h.set(away)
		if n := watch(10, 10*time.Minute); n > 0 {
			t.Errorf("%s: %d calls without a network", what, n)
		}
		back := func() { h.status.Live, h.status.Circuits, h.status.Bootstrap = true, true, 100 }
		h.set(back)
		watch(121, time.Second) // it may be published again first
		h.set(away)
		watch(3, time.Second)
		h.set(back)
		if watch(121, time.Second) == 0 {
			t.Errorf("%s: it is not called within two minutes of the return", what)
		}
	}
}
