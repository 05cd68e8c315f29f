package gateway

import (
	"cmp"
	"fmt"
	"time"

	"tunic/gateway/health"
	"tunic/gateway/tor"
)

// awayFor is how long Tor may be out of reach before that is an error: a start
// takes seconds, and a person looks at the cable after a minute.
const awayFor = time.Minute

// torProgress says how far tor is, and what keeps it.
func torProgress(st tor.Status) string {
	words := fmt.Sprintf("%d %%, %s", st.Bootstrap, cmp.Or(st.Summary, "starting"))
	if st.Warning != "" {
		words += ": " + st.Warning
	}
	return words
}

// torAway reports whether Tor has been out of reach for long, and keeps since when
// it is.
func (g *Gateway) torAway(st tor.Status) bool {
	if st.Running && st.Bootstrap == 100 && st.Live {
		g.away = time.Time{}
		return false
	}
	if g.away.IsZero() {
		g.away = time.Now()
	}
	return time.Since(g.away) >= awayFor
}

// tellTorAway says why the household has no Tor, once that has lasted. That tor
// itself does not run is told by its own name.
func (a *attempt) tellTorAway(st tor.Status) {
	if !a.torAway(st) || !st.Running {
		return
	}
	why := cmp.Or(st.Warning, "no relay answers")
	if st.Bootstrap < 100 {
		why += fmt.Sprintf(" (Tor has stood at %d %% for a while)", st.Bootstrap)
	}
	a.find(health.TorAway, "", "no connection to the Tor network for %s: %s%s", time.Since(a.away).Round(time.Minute), why, a.in.Around.SealedOff())
}
