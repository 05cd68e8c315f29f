package talk

import "time"

// A seat is free again when nothing was said for so long: whoever sat there is gone, though
// the terminal is not. They are told a while before.
const (
	longSilence = time.Hour
	lastCall    = 5 * time.Minute
)

// quiet ends a seat at which nothing is said.
type quiet struct{ call, end *time.Timer }

// watch waits for a silence. Whoever speaks breaks it, and stop ends the watch.
func (p *person) watch() *quiet {
	return &quiet{
		call: time.AfterFunc(longSilence-lastCall, func() {
			p.say("* Nobody has said anything for %.0f minutes. Write a line within %.0f, or your seat is free.",
				(longSilence - lastCall).Minutes(), lastCall.Minutes())
		}),
		end: time.AfterFunc(longSilence, func() {
			p.say("* Nobody has said anything for an hour: your seat is free.")
			p.Close() // as if they had left
		}),
	}
}

func (q *quiet) broken() {
	q.call.Reset(longSilence - lastCall)
	q.end.Reset(longSilence)
}

func (q *quiet) stop() {
	q.call.Stop()
	q.end.Stop()
}
