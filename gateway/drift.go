package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
)

const (
	// verifyEvery is the pause between two looks at rules that nobody is known
	// to have changed: what changes them is noticed by itself, within a second.
	verifyEvery = 2 * time.Minute
	// driftShown is how long status tells of a change that was undone: long
	// enough for a person to come and look.
	driftShown = 10 * time.Minute
	driftMost  = 50 // changes that are counted
)

// drift is one time that somebody else changed the rules.
type drift struct {
	at    time.Time
	lines []string
}

// RulesDrifted notes that somebody else changed the rules, and that they were
// put back. It may be called from any goroutine.
func (g *Gateway) RulesDrifted(lines []string) {
	g.Log.Warn("another program changed the rules, they were put back", "differences", lines)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.drifts) == driftMost {
		g.drifts = slices.Delete(g.drifts, 0, 1)
	}
	g.drifts = append(g.drifts, drift{time.Now(), lines})
}

// driftFindings is the finding about the changes of the last minutes.
func (g *Gateway) driftFindings(now time.Time) []health.Finding {
	g.mu.Lock()
	g.drifts = slices.DeleteFunc(g.drifts, func(d drift) bool { return now.Sub(d.at) > driftShown })
	n := len(g.drifts)
	var last drift
	if n > 0 {
		last = g.drifts[n-1]
	}
	g.mu.Unlock()
	if n == 0 {
		return nil
	}
	times := ""
	if n > 1 {
		times = fmt.Sprintf(", the last of %d times in %v", n, driftShown)
	}
	return []health.Finding{health.New(health.RulesDrift, "",
		fmt.Sprintf("another program changed the rules at %s (%s)%s; they were put back",
			last.at.Format(time.TimeOnly), shorten(last.lines), times))}
}

// shorten keeps the first difference, how many more there are, and the last
// line, which names the program if it is known.
func shorten(lines []string) string {
	if len(lines) <= 2 {
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%s; %d more; %s", lines[0], len(lines)-2, lines[len(lines)-1])
}
