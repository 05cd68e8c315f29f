package page

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/api"
)

// The page gets how fast it went, also of the time before it was loaded again; nothing is
// said of a time in which nobody looked, or tor was started.
func TestRates(t *testing.T) {
	var p pulse
	now := time.Now()
	at := func(seconds int, read, written uint64, ok bool) []api.Rate {
		return p.rates(now.Add(time.Duration(seconds)*time.Second), func() (uint64, uint64, bool) { return read, written, ok })
	}
	if list := at(0, 100, 10, true); list == nil || len(list) > 0 {
		t.Errorf("%+v", list)
	}
	list := at(2, 2100, 30, true)
	if len(list) != 1 || list[0] != (api.Rate{At: now.Add(2 * time.Second), Down: 1000, Up: 10}) {
		t.Errorf("%+v", list)
	}
	if list := at(2, 9999, 9999, true); len(list) != 1 {
		t.Errorf("two samples at once: %+v", list)
	}
	if list := at(4, 0, 0, false); len(list) != 1 {
		t.Errorf("without a tor: %+v", list)
	}
	if list := at(6, 50, 5, true); len(list) != 1 {
		t.Errorf("another tor: %+v", list)
	}
	if list := at(60, 5050, 5, true); len(list) != 1 {
		t.Errorf("after a while: %+v", list)
	}
	if list := at(61, 6050, 5, true); len(list) != 2 || list[1].Down != 1000 {
		t.Errorf("%+v", list)
	}
	if list := at(61+int(pulseLong.Seconds()), 7050, 5, true); len(list) != 0 || len(p.list) != 2 {
		t.Errorf("%+v, %d samples", list, len(p.list))
	}
}

// However many pages are open, serve is asked once in a while.
func TestGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		status := func(context.Context) api.Status { asked++; return api.Status{State: api.Open} }
		var g glance
		gone, end := context.WithCancel(t.Context())
		end()
		g.get(gone, status)
		for range 20 {
			if s := g.get(t.Context(), status); s.State != api.Open {
				t.Fatalf("%+v", s)
			}
			time.Sleep(glanceFor / 10)
		}
		if asked != 1+2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// What is live is for admins.
func TestLive(t *testing.T) {
	f, _, member, admin := furnished(t)
	var l api.Live
	if err := json.Unmarshal(act(t, f, admin, "live", `null`).Body, &l); err != nil || !l.Tor.Running || l.Tor.Bootstrap != 100 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, verb := range []string{"live", "live/status"} {
		if a := act(t, f, member, verb, `null`); !a.Bar || a.Error == "" || a.Body != nil {
			t.Errorf("%s of a member: %#v", verb, a)
		}
	}
}
