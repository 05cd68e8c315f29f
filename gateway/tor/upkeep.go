package tor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// How long the network may be out of reach.
const (
	// awayFor makes it an error: a start takes seconds, and a person looks at the
	// cable after a minute. Where tor itself says why, that is not waited for.
	awayFor   = time.Minute
	warnedFor = 6 * time.Second
	// cutOffAfter makes doubtful what tor has learned meanwhile of its guards, and
	// doubtAgain is how often at the most that ends a tor whose box had a way out all
	// the time: as long as tor itself takes to try its guards again.
	cutOffAfter = 30 * time.Second
	doubtAgain  = 10 * time.Minute
)

// startTime is what a new tor has to connect before another one can take its place:
// a cable that comes and goes must not keep all of them from it.
const startTime = 30 * time.Second

// farStep is by how much a clock that was set leaves a tor behind. Set back, tor
// waits for the moments of its next tries, which are that far away; set forward,
// it believes that all it has is old.
const farStep = time.Hour

// Process is a tor, as far as its upkeep goes.
type Process interface {
	Status() Status
	// Stop ends it until the next Apply.
	Stop()
	// GaveUp reports whether tor has given up on a guard, and nobody is being served.
	GaveUp(ctx context.Context) bool
}

// Upkeep has another tor start where the one that runs does not find back by
// itself. It is for one goroutine.
type Upkeep struct {
	Log  *slog.Logger
	Tor  Process
	Also interface{ Stop() } // another tor, for which all that is said of Tor holds

	machineStart time.Time // by the clock as it was when somebody looked last
	away         time.Time // since when the network has not been reached; zero: it is
	noWay        bool      // there was no way out, or none that led to Tor, and tor was not asked since
	rested       time.Time // when tor was ended because of that
}

// Follow looks at the clock and at the box's way to the internet. boot is the time
// since the machine started, which nobody sets; wayOut says whether an interface
// with a cable has a route to everywhere.
func (u *Upkeep) Follow(ctx context.Context, boot time.Duration, wayOut bool) {
	u.followClock(time.Now().Round(0).Add(-boot))
	u.followWay(ctx, wayOut)
}

// followClock has other tors start when the clock was set far since it was looked at
// last, by whomever. Of a tor that has started meanwhile nobody knows on which side of
// the step.
func (u *Upkeep) followClock(machineStart time.Time) {
	moved := machineStart.Sub(u.machineStart)
	known := !u.machineStart.IsZero()
	u.machineStart = machineStart
	if !known || moved.Abs() < farStep || u.Tor.Status().PID == 0 {
		return
	}
	u.Log.Info("the clock was set, so tor is started again", "forward by", moved.Round(time.Second))
	u.rest()
}

// followWay has another tor start when there is a way out again, and this one has
// tried its guards in vain meanwhile. It would not use them for ten minutes, and what
// it builds by others waits for them (guard-spec, "Determining when guards are
// reachable"): tor says that it is connected, and no page comes (decision 75).
func (u *Upkeep) followWay(ctx context.Context, wayOut bool) {
	if !wayOut {
		u.noWay = true
		return
	}
	st := u.Tor.Status()
	away := !u.away.IsZero() && time.Since(u.away) >= cutOffAfter && time.Since(u.rested) >= doubtAgain
	switch {
	case !st.Running:
		return
	case !u.noWay && !away, !u.noWay && !st.connected():
		return // there was a way out all the time, and it leads nowhere yet
	case time.Since(u.rested) < startTime:
		return // looked at then
	}
	u.noWay = false
	if st.Bootstrap == 100 && !u.Tor.GaveUp(ctx) {
		return
	}
	u.Log.Info("there is a way to the internet again, so tor is started again")
	u.rested = time.Now()
	u.rest()
}

func (u *Upkeep) rest() {
	u.Tor.Stop()
	u.Also.Stop()
}

func (s Status) connected() bool { return s.Running && s.Bootstrap == 100 && s.Live }

// Away reports whether the network was not reached when somebody asked last.
func (u *Upkeep) Away() bool { return !u.away.IsZero() }

// NotConnected says why the household has no Tor, once that has lasted; "" is that it has,
// or not for long. It has to be told each status.
func (u *Upkeep) NotConnected(st Status) string {
	if st.connected() {
		u.away = time.Time{}
		return ""
	}
	if u.away.IsZero() {
		u.away = time.Now()
	}
	lasted := time.Since(u.away)
	if lasted < awayFor && (st.Warning == "" || lasted < warnedFor) {
		return ""
	}
	unit := time.Minute
	if lasted < 2*time.Minute {
		unit = time.Second
	}
	why := cmp.Or(st.Warning, "no relay answers")
	if st.Bootstrap < 100 {
		why += fmt.Sprintf(" (Tor has stood at %d %% for a while)", st.Bootstrap)
	}
	return fmt.Sprintf("no connection to the Tor network for %s: %s", lasted.Round(unit), why)
}

// Progress says how far tor is, and what keeps it.
func (s Status) Progress() string {
	words := fmt.Sprintf("%d %%, %s", s.Bootstrap, cmp.Or(s.Summary, "starting"))
	if s.Warning != "" {
		words += ": " + s.Warning
	}
	return words
}
