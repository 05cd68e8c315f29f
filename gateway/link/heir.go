package link

import (
	"encoding/json"
	"time"
)

// What a new daemon asks of the one whose place it takes. Two versions speak here:
// these names and shapes stay.
var (
	// TakeOver has the old daemon hand everything over; the descriptors have come before
	// the answer. The question is the version of who asks.
	TakeOver = Verb[string, json.RawMessage]{"heir.take", inOrder, time.Minute}
	// Works says that the new daemon serves the household. After the answer it has it alone.
	Works = Verb[struct{}, struct{}]{"heir.works", inOrder, time.Minute}
	// GivesUp says why the new daemon ends.
	GivesUp = Verb[string, struct{}]{"heir.fails", inOrder, 5 * time.Second}
)
