package relaytime

import (
	"fmt"
	"slices"
	"time"
)

// apart is how far a relay's clock may be from the others' and still agree.
const apart = 10 * time.Second

// horizon is how long after its build a program can still be in use.
const horizon = 30 * 365 * 24 * time.Hour

// Agreed is what most relays say.
type Agreed struct {
	Start time.Time     // the time at which the machine started
	Error time.Duration // how wrong that can be
	Count int           // relays that said so
	Asked int           // of so many
}

// DisagreeError is returned when there is no majority.
type DisagreeError struct{ Answered, Agree, Asked int }

func (e *DisagreeError) Error() string {
	if e.Answered == e.Agree {
		return fmt.Sprintf("%d of %d relays told the time: more than half have to", e.Answered, e.Asked)
	}
	return fmt.Sprintf("%d of %d relays told the time, and only %d of them the same: more than half have to agree",
		e.Answered, e.Asked, e.Agree)
}

// Agree makes one time of the answers of those that were asked, at a moment so
// long after the machine's start. More than half of all that were asked have to
// say the same. What lies before the program was built, or decades after, is no
// answer.
func Agree(answers []Answer, asked int, built time.Time, boot time.Duration) (Agreed, error) {
	answers = slices.DeleteFunc(slices.Clone(answers), func(a Answer) bool {
		now := a.Start.Add(boot)
		return now.Before(built) || now.After(built.Add(horizon))
	})
	slices.SortFunc(answers, func(a, b Answer) int { return a.Start.Compare(b.Start) })
	var most []Answer
	for i := range answers {
		end := i
		for end < len(answers) && answers[end].Start.Sub(answers[i].Start) <= apart {
			end++
		}
		if end-i > len(most) {
			most = answers[i:end]
		}
	}
	if 2*len(most) <= asked {
		return Agreed{}, &DisagreeError{Answered: len(answers), Agree: len(most), Asked: asked}
	}
	middle := most[len(most)/2]
	return Agreed{Start: middle.Start, Error: middle.Error, Count: len(most), Asked: asked}, nil
}
