package tor

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stubborn is a tor that says what it is told to, and counts how often it stops.
type stubborn struct {
	status Status
	gaveUp bool
	stops  int
}

func (s *stubborn) Status() Status              { return s.status }
func (s *stubborn) Stop()                       { s.stops++ }
func (s *stubborn) GaveUp(context.Context) bool { return s.gaveUp }

// took reports whether it has been ended since.
func (s *stubborn) took() bool {
	n := s.stops
	s.stops = 0
	return n > 0
}

func upkeepOf(s *stubborn) (u *Upkeep, fast *stubborn) {
	fast = new(stubborn)
	return &Upkeep{Log: slog.New(slog.DiscardHandler), Tor: s, Also: fast}, fast
}

// A tor that has given up on its guards while there was no way out is started
// again when there is one, and no other.
func TestWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(stubborn)
		u, _ := upkeepOf(s)
		const later = "half a minute later"
		for i, step := range []struct {
			what         string
			out          bool
			bootstrap    int
			live, gaveUp bool
			stops        bool
		}{
			{"a guard is down", true, 100, true, true, false},
			{"the cable is out", false, 100, true, true, false},
			{"it is back, and devices are served", true, 100, true, false, false},
			{"a guard is down later", true, 100, true, true, false},
			{"no route", false, 100, false, false, false},
			{"it is back, and guards are given up", true, 100, true, true, true},
			{"they still are, by the new one", true, 100, true, true, false},
			{"no route while it starts", false, 10, false, false, false},
			{"it is back, and the new one has hardly begun", true, 10, false, false, false},
			{later, true, 10, false, false, true},
			{"it starts", true, 10, false, false, false},
			{"no route once more", false, 10, false, false, false},
			{"it is back once more", true, 10, false, false, false},
			{"and it has connected", true, 100, true, false, false},
			{later, true, 100, true, false, false},
			{"a guard is down later still", true, 100, true, true, false},
		} {
			if step.what == later {
				time.Sleep(startTime)
			}
			s.status, s.gaveUp = Status{Running: true, Bootstrap: step.bootstrap, Live: step.live}, step.gaveUp
			u.NotConnected(s.status)
			u.followWay(t.Context(), step.out)
			if stops := s.took(); stops != step.stops {
				t.Errorf("%d, %s: tor stops: %v", i, step.what, stops)
			}
		}
	})
}

// Where the box's cable stays in while the router has no internet, tor is asked
// once it has it again, and not again and again where a guard is gone for good.
func TestWayOutBeyondTheRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{status: Status{Running: true, Bootstrap: 100}, gaveUp: true}
		u, _ := upkeepOf(s)
		stops := func() bool {
			u.NotConnected(s.status)
			u.followWay(t.Context(), true)
			return s.took()
		}
		if stops() {
			t.Error("it was away for a moment")
		}
		if time.Sleep(time.Minute); stops() {
			t.Error("it is away")
		}
		u.away = time.Now().Add(-time.Minute)
		s.status.Live = true
		u.followWay(t.Context(), true)
		if !s.took() {
			t.Error("it is back, and has given up on its guards")
		}
		u.away = time.Now().Add(-time.Minute)
		if u.followWay(t.Context(), true); s.took() {
			t.Error("once more at once")
		}
	})
}

// A clock that is set far, back or forward, leaves tors behind that run.
func TestClockIsSet(t *testing.T) {
	s := new(stubborn)
	u, fast := upkeepOf(s)
	start := time.Now()
	u.followClock(start)
	for _, c := range []struct {
		step  time.Duration
		pid   int
		stops bool
	}{{0, 7, false}, {time.Minute, 7, false}, {-time.Minute, 7, false}, {-400 * 24 * time.Hour, 7, true},
		{0, 7, false}, {56 * 365 * 24 * time.Hour, 7, true}, {400 * 24 * time.Hour, 0, false}} {
		s.status.PID = c.pid
		start = start.Add(c.step)
		if u.followClock(start); s.took() != c.stops || fast.took() != c.stops {
			t.Errorf("%+v: tor stops is wrong", c)
		}
	}
}

// Tor out of reach is an error after a minute, with tor's reason; a status that is
// well again forgets it.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := upkeepOf(new(stubborn))
		far := Status{Running: true, Bootstrap: 5, Summary: "Connecting to a relay", Warning: "No route to host"}
		if got := u.NotConnected(far); got != "" || far.Progress() != "5 %, Connecting to a relay: No route to host" {
			t.Errorf("%q, %q", got, far.Progress())
		}
		time.Sleep(2 * time.Minute)
		if got := u.NotConnected(far); !strings.Contains(got, "for 2m0s: No route to host (Tor has stood at 5 %") {
			t.Errorf("%q", got)
		}
		well := Status{Running: true, Bootstrap: 100, Live: true}
		if got := u.NotConnected(well); got != "" || !u.away.IsZero() {
			t.Errorf("%q", got)
		}
		well.Live = false
		u.NotConnected(well)
		time.Sleep(2 * time.Minute)
		if got := u.NotConnected(well); !strings.Contains(got, "no relay answers") {
			t.Errorf("%q", got)
		}
	})
}
