package tor

import (
	"testing"
	"time"
)

// TestOut: an onion is out when half of the directories have both its
// descriptors, however the answers are mixed.
func TestOut(t *testing.T) {
	changes := 0
	tr := newTracker(&changes)
	say := func(words ...string) bool {
		for _, w := range words {
			verb, rest := w[:1], w[1:]
			switch verb {
			case ">": // an upload to a directory, of descriptor 1 or 2
				tr.event("HS_DESC UPLOAD " + ownAddress + " UNKNOWN $" + rest[:1] + "~name id" + rest[1:] + " HSDIR_INDEX=00")
			case "+":
				tr.event("HS_DESC UPLOADED " + ownAddress + " UNKNOWN $" + rest + "~name")
			case "-":
				tr.event("HS_DESC FAILED " + ownAddress + " UNKNOWN $" + rest + " id REASON=UPLOAD_REJECTED")
			}
		}
		return tr.snapshot().Onions[ownAddress].Out
	}
	for i, step := range []struct {
		events []string
		want   bool
	}{
		{[]string{">A1", ">B1", ">C1", ">D1"}, false},
		{[]string{"+A", "+B", "+C"}, false}, // the other descriptor may be the one that is looked for
		{[]string{">A2", ">B2", ">E2", ">F2", ">G2"}, false},
		{[]string{"+A", "-E"}, false},
		{[]string{"+X"}, false}, // nobody was asked
		{[]string{"-F"}, true},
		{[]string{">H3", ">I3"}, true}, // another period begins
	} {
		if got := say(step.events...); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	tr.started(8, Version{}, []Onion{{Address: ownAddress}})
	if say(">A1", "-A") {
		t.Error("out though nobody took it")
	}
}

func TestOutWithOneDescriptor(t *testing.T) {
	var u uploads
	now := time.Now()
	u.sent("$A~a", "one")
	u.answered("$A~a", true, now)
	if u.done(now.Add(lonely)) || !u.done(now.Add(lonely+time.Second)) {
		t.Error("one descriptor is not waited for as long as it should be")
	}
}
