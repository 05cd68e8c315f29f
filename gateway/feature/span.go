package feature

import "time"

// Span is a stretch of time that ends by itself. It is measured by two clocks:
// the wall clock, which goes on while the box is off, and that of the kernel,
// which nobody can set back.
type Span struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	end time.Time // with the kernel's reading; not kept in a file
}

// clockSlack is how far a clock may be set back before nobody can tell any
// more how long something has been in force.
const clockSlack = time.Minute

// NewSpan is one that begins now.
func NewSpan(now time.Time, d time.Duration) Span {
	wall := now.Round(0).UTC()
	return Span{Since: wall, Until: wall.Add(d), end: now.Add(d)}
}

// Resume starts the kernel's clock again after a restart.
func (s *Span) Resume(now time.Time) { s.end = now.Add(s.Until.Sub(now.Round(0))) }

// Over reports whether the time is up, or cannot be known: early rather than
// late.
func (s Span) Over(now time.Time) bool {
	return s.Ended(now) || now.Round(0).Before(s.Since.Add(-clockSlack))
}

// Ended reports whether the time is up for certain: a clock that was set back ends
// nothing.
func (s Span) Ended(now time.Time) bool { return !now.Round(0).Before(s.Until) || !now.Before(s.end) }

// End is when it has to be looked at again, by whichever clock is first.
func (s Span) End(now time.Time) time.Time {
	return now.Add(min(s.end.Sub(now), s.Until.Sub(now.Round(0))))
}
