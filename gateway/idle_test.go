package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/household"
	"tunic/gateway/link"
)

// TestRest: a box that has nothing to do waits, and does not miss what it waits
// for.
func TestRest(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/a.toml": "[ports]\n80 = 'phone:80'\n"})
	if wait := h.work(t.Context()); wait > watchEvery || !h.resting(t.Context()) {
		t.Errorf("a pass follows in %v although nothing has changed", wait)
	}
	h.Gateway.mu.Lock()
	h.current.in.Hosts = map[string][]netip.Addr{"phone": {netip.MustParseAddr("192.168.77.50")}}
	h.Gateway.mu.Unlock()
	if h.resting(t.Context()) {
		t.Error("a device that an onion leads to has another address, and nobody looks")
	}
	h.work(t.Context())
	h.next = time.Now()
	if h.resting(t.Context()) {
		t.Error("the next pass never comes")
	}
}

// TestAnswerFirst: after an edit there is a pass, and whoever asked for it has the answer by then.
func TestAnswerFirst(t *testing.T) {
	h := newHouse(t, nil)
	h.work(t.Context())
	if err := h.edit(t.Context(), feature.Edit{Write: func() error { return nil }, Load: true}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.wake:
		if wait := time.Since(h.passed); wait < answerFirst {
			t.Errorf("%v after its pass an edit has the loop make another, beside its answer", wait)
		}
	case <-time.After(20 * time.Second):
		t.Error("the loop does not learn when what an edit changed ends")
	}
}

func TestSooner(t *testing.T) {
	now := time.Now()
	g := Gateway{Options: Options{Features: []feature.Feature{entry.Feature{}, sooner{time.Time{}}, sooner{now.Add(3 * time.Second)}}}}
	if wait := g.sooner(time.Minute); wait > 3*time.Second || wait < 3*time.Second-time.Since(now) {
		t.Errorf("a feature that has to look in 3 s looks in %v", wait)
	}
	if wait := g.sooner(time.Second); wait != time.Second {
		t.Errorf("waiting got longer: %v", wait)
	}
}

// sooner is a feature that has to look again then.
type sooner struct{ at time.Time }

func (sooner) Name() string { return "sooner" }
func (sooner) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Wish{}
}
func (s sooner) Next() time.Time { return s.at }

// TestBriefly: of what a pass has features report nobody reads more than the findings, so the
// thousand devices of a house are not listed for it.
func TestBriefly(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/tablet.toml": "mac = \"02:00:00:00:00:10\"\n"})
	seen := new(reporter)
	h.Features = append(h.Features, seen)
	h.work(t.Context())
	listed := func() bool {
		status := api.Status{}
		for _, f := range h.Features {
			if f, ok := f.(*household.Feature); ok {
				f.Report(t.Context(), seen.scene, &status)
			}
		}
		return len(status.Household.Devices) > 0
	}
	if !seen.scene.Brief || listed() {
		t.Errorf("a pass lists devices (brief: %v)", seen.scene.Brief)
	}
	if h.Gateway.Status(t.Context()); seen.scene.Brief || !listed() {
		t.Errorf("a status lists no devices (brief: %v)", seen.scene.Brief)
	}
}

// TestBriefFinds: what a brief report leaves out is in no finding.
func TestBriefFinds(t *testing.T) {
	h := newHouse(t, map[string]string{"peers/alice.toml": fmt.Sprintf("onion = %q\nclient = %q\n", onionOf(1), clientOf(1)),
		"onions/all.toml": "[ports]\n80 = '192.168.77.20:80'\n", "onions/nobody.toml": "private = true\n[ports]\n80 = '192.168.77.20:80'\n",
		"onions/hers.toml": "private = true\nclients = ['alice']\n[ports]\n80 = '192.168.77.20:80'\n"})
	h.work(t.Context())
	subjects := func(brief bool) (list []string) {
		for _, f := range h.report(t.Context(), link.Status{}, brief).Findings {
			list = append(list, string(f.Code)+" "+f.Subject)
		}
		return list
	}
	brief, whole := subjects(true), subjects(false)
	if !slices.Equal(brief, whole) || !slices.Contains(brief, "onion-not-published hers") ||
		slices.Contains(brief, "onion-not-published nobody") {
		t.Errorf("brief %q\nwhole %q", brief, whole)
	}
}

// reporter is a feature that notes what it reports of.
type reporter struct {
	sooner
	scene feature.Scene
}

func (r *reporter) Report(_ context.Context, s feature.Scene, _ *api.Status) { r.scene = s }

// TestGather: what comes many at a time makes one pass a second, and the first of it one
// at once.
func TestGather(t *testing.T) {
	h := newHouse(t, nil)
	if h.gathering() {
		t.Error("before the first pass it waits")
	}
	h.work(t.Context())
	h.passed = time.Now() // however long this machine took
	if !h.gathering() || h.nap() > gather || !h.resting(t.Context()) {
		t.Errorf("just after a pass the next one comes in %v", h.nap())
	}
	h.next = h.passed.Add(gather / 2)
	if !h.gathering() || h.next != h.passed.Add(gather/2) {
		t.Error("what comes sooner comes later now")
	}
	h.passed = time.Now().Add(-gather)
	if h.gathering() {
		t.Error("a while after a pass it waits")
	}
}

// TestGatherMore: while one such pass follows the other they come less often; one for any other
// reason ends that.
func TestGatherMore(t *testing.T) {
	h := newHouse(t, nil)
	h.work(t.Context())
	var waits []time.Duration
	for range 5 {
		h.passed, h.next = time.Now(), time.Now().Add(checkEvery)
		if !h.gathering() {
			t.Fatal("just after a pass it does not wait")
		}
		waits = append(waits, h.next.Sub(h.passed))
		h.work(t.Context())
	}
	if want := []time.Duration{gather, gather, 2 * gather, gatherMost, gatherMost}; !slices.Equal(waits, want) {
		t.Errorf("they wait %v, want %v", waits, want)
	}
	h.work(t.Context())
	h.passed = time.Now()
	if h.gathering(); h.next != h.passed.Add(gather) {
		t.Errorf("after another one it waits %v", h.next.Sub(h.passed))
	}
}
