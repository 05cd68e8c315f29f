package notices

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/health"
)

// clockwork is a watcher with a clock of the test's, and what it told.
type clockwork struct {
	watcher
	at     time.Time
	ledger ledger
	told   []string
}

func newClockwork() *clockwork {
	c := &clockwork{at: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}
	c.begin()
	return c
}

// begin starts the daemon again.
func (c *clockwork) begin() {
	c.watcher = watcher{now: func() time.Time { return c.at }, started: c.at}
}

// passes lets time pass while these are found.
func (c *clockwork) passes(d time.Duration, findings ...health.Finding) {
	for end := c.at.Add(d); c.at.Before(end); {
		c.at = c.at.Add(lookEvery)
		l, n := c.look(c.ledger, findings, health.Warning)
		if c.ledger = l; n == nil {
			continue
		}
		var words []string
		for _, f := range n.began {
			words = append(words, "+"+string(f.Code)+f.Subject)
		}
		for _, f := range n.ended {
			words = append(words, "-"+string(f.Code)+f.Subject)
		}
		if len(n.flapping) > 0 {
			words = append(words, "again")
		}
		c.told = append(c.told, strings.Join(words, " "))
	}
}

func (c *clockwork) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(c.told, want) {
		t.Errorf("told %q, want %q", c.told, want)
	}
	c.told = nil
}

var (
	full  = health.New(health.DiskNearlyFull, "", "full")
	gone  = health.New(health.TargetUnreachable, "nas", "gone")
	away  = health.New(health.TorAway, "", "away")
	minor = health.New(health.TorNotReady, "", "wait")
)

// One notice when something begins, one when it has ended; what follows from one cause
// within a minute is in one, what mends itself is in none, what is for information
// alone too.
func TestBeginsAndEnds(t *testing.T) {
	c := newClockwork()
	c.passes(10*time.Minute, minor)
	c.passes(30*time.Second, full)
	c.expect(t)
	c.passes(10*time.Minute, full, away)
	c.expect(t, "+disk-nearly-full +tor-not-connected")
	c.passes(10*time.Minute, full)
	c.expect(t, "-tor-not-connected")
	c.passes(30*time.Second, full, gone)
	c.passes(10 * time.Minute)
	c.expect(t, "-disk-nearly-full")
}

// A restart repeats nothing, and what is not found yet after it has not ended.
func TestRestart(t *testing.T) {
	c := newClockwork()
	c.passes(5*time.Minute, full, gone)
	c.expect(t, "+disk-nearly-full +target-unreachablenas")
	c.begin()
	c.passes(2 * time.Minute)
	c.passes(10*time.Minute, gone)
	c.expect(t, "-disk-nearly-full")
}

// What comes and goes is said once to do so.
func TestFlapping(t *testing.T) {
	c := newClockwork()
	c.passes(5 * time.Minute)
	for range 20 {
		c.passes(4*time.Minute, gone)
		c.passes(4 * time.Minute)
	}
	c.expect(t, "+target-unreachablenas", "-target-unreachablenas", "+target-unreachablenas again")
	c.passes(50 * time.Minute)
	c.expect(t)
	c.passes(20 * time.Minute)
	c.expect(t, "-target-unreachablenas")
	c.passes(2 * time.Hour)
	c.passes(5*time.Minute, gone)
	c.expect(t, "+target-unreachablenas")
}

// There is an end to what is told in an hour, and nothing is lost by it.
func TestBound(t *testing.T) {
	c := newClockwork()
	var list []health.Finding
	for i := range 20 {
		list = append(list, health.New(health.TargetUnreachable, fmt.Sprint(i), "x"))
		c.passes(2*time.Minute+lookEvery, list...)
	}
	if len(c.told) != mostPerHour {
		t.Errorf("%d notices in an hour", len(c.told))
	}
	c.passes(time.Hour, list...)
	if got := strings.Fields(strings.Join(c.told, " ")); len(got) != 20 || len(c.told) != mostPerHour+1 {
		t.Errorf("%d notices told %d of 20 findings", len(c.told), len(got))
	}
}

// A notice has the status' words in lines, which no stranger's words end.
func TestText(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	stranger := health.New(health.DiskNearlyFull, "/x", "the disk is full\r\nBcc: x\u2028y\x1b[31m "+strings.Repeat("word ", 30))
	n := &news{at: at, began: []health.Finding{stranger},
		ended: []told{{Code: health.TorAway, Text: "away", Since: at.Add(-time.Hour)}}}
	text := n.text()
	for _, want := range []string{"WARNING disk-nearly-full: the disk is full Bcc: x y [31m", "What to do: make room",
		"ENDED tor-not-connected: away\n",
		"It was found on 30 November 2026, 11:00 UTC.\n", "[notices] in"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > width+1 {
			t.Errorf("%q is long", line)
		}
	}
	if got := n.subject(); got != "tunic: 1 new finding, 1 ended" {
		t.Errorf("%q", got)
	}
}
