package gateway

import (
	"context"
	"slices"
	"time"
	"tunic/gateway/feature"
)

// How long tor may be out of reach before what it has learned meanwhile of its
// guards is doubted, and how often at the most that ends a tor whose box had a way
// out all the time: as long as tor itself takes to try its guards again.
const (
	cutOffAfter = 30 * time.Second
	doubtAgain  = 10 * time.Minute
)

// startTime is what a new tor has to connect before another one can take its place:
// a cable that comes and goes must not keep all of them from it.
const startTime = 30 * time.Second

// wayOut is what is known of the box's way to the internet.
type wayOut struct {
	missing bool      // there was none, or none that led to Tor, and tor was not asked since
	rested  time.Time // when tor was ended because of that
}

// noWayOut reports whether no interface with a cable has a route to everywhere.
// What could not be read is none that is missing.
func noWayOut(links []feature.Link) bool {
	return len(links) > 0 && !slices.ContainsFunc(links, func(l feature.Link) bool { return l.Default && l.Up && l.Carrier })
}

// followWayOut has another tor start when there is a way out again, and this one
// has tried its guards in vain meanwhile. It would not use them for ten minutes,
// and what it builds by others waits for them (guard-spec, "Determining when guards are
// reachable"): tor says that it is connected, and no page comes (decision 75).
func (a *attempt) followWayOut(ctx context.Context) {
	st := a.Tor.Status()
	if noWayOut(a.in.Around.Links) {
		a.out.missing = true
		return
	}
	away := !a.away.IsZero() && time.Since(a.away) >= cutOffAfter && time.Since(a.out.rested) >= doubtAgain
	connected := st.Running && st.Bootstrap == 100 && st.Live
	switch {
	case !st.Running:
		return
	case !a.out.missing && !away, !a.out.missing && !connected:
		return // there was a way out all the time, and it leads nowhere yet
	case time.Since(a.out.rested) < startTime:
		return // looked at then
	}
	a.out.missing = false
	if st.Bootstrap == 100 && !a.Tor.GaveUp(ctx) {
		return
	}
	a.Log.Info("there is a way to the internet again, so tor is started again")
	a.out.rested = time.Now()
	a.Tor.Rest()
	a.Fast.Rest()
}
