package feature

import (
	"testing"
	"time"
)

func TestSpanEndsEarlyRatherThanLate(t *testing.T) {
	start := time.Now()
	s := NewSpan(start, 2*time.Hour)
	kept := Span{Since: s.Since, Until: s.Until} // as after a restart
	kept.Resume(start.Add(time.Hour))
	wall := func(d time.Duration) time.Time { return start.Round(0).Add(d) } // a clock that was set: no kernel's reading
	cases := []struct {
		name string
		s    Span
		now  time.Time
		want bool
	}{
		{"at once", s, start, false},
		{"in the middle", s, start.Add(time.Hour), false},
		{"at the end", s, start.Add(2 * time.Hour), true},
		{"clock set forward", s, wall(3 * time.Hour), true},
		{"clock set back a little", s, wall(-10 * time.Second), false},
		{"clock set back a day", s, wall(-24 * time.Hour), true},
		{"restarted, before the end", kept, start.Add(119 * time.Minute), false},
		{"restarted, at the end", kept, start.Add(2 * time.Hour), true},
		{"restarted without a clock", kept, time.Unix(3600, 0), true},
	}
	for _, c := range cases {
		if got := c.s.Over(c.now); got != c.want {
			t.Errorf("%s: over %v", c.name, got)
		}
	}
}

// The clock that was set back does not make it longer: the kernel's goes on.
func TestSpanWithClockSetBack(t *testing.T) {
	start := time.Now()
	s := NewSpan(start, time.Hour)
	s.Since, s.Until = s.Since.Add(30*time.Minute), s.Until.Add(30*time.Minute) // what a clock set back by half an hour makes of it
	if s.Over(start.Add(59*time.Minute)) || !s.Over(start.Add(time.Hour)) {
		t.Error("the end is not where it was")
	}
}
