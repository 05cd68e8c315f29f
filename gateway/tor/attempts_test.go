package tor

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestUnreachedBridges(t *testing.T) {
	const fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
	changes := 0
	tr := newTracker(&changes)
	say := func(times int, state string) bool {
		for range times {
			tr.event("ORCONN $" + fingerprint + "~name " + state + " ID=5")
		}
		return tr.snapshot().Unreached(fingerprint)
	}
	if say(2, "LAUNCHED") || changes != 0 {
		t.Error("two attempts, of which one may be under way, say something already")
	}
	if !say(1, "LAUNCHED") || changes != 1 {
		t.Errorf("three attempts say nothing, %d changes", changes)
	}
	if !say(9, "LAUNCHED") || changes != 1 {
		t.Errorf("each attempt more wakes somebody: %d changes", changes)
	}
	if say(1, "CONNECTED") || changes != 2 {
		t.Error("a bridge that is reached still is not")
	}
	for _, line := range []string{"ORCONN", "ORCONN $x", "ORCONN 192.0.2.1:443 LAUNCHED", "ORCONN $ LAUNCHED"} {
		tr.event(line)
	}
	if say(8, "LAUNCHED"); !tr.snapshot().Unreached(fingerprint) {
		t.Error("it is not counted again")
	}
	if tr.started(8, Version{0, 4, 9, 11}, nil); tr.snapshot().Unreached(fingerprint) {
		t.Error("a new process begins with the failures of the old one")
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	a := make(attempts)
	for i := range 4 * maxAttempts {
		a.event("$"+string(rune(i+'a')), "LAUNCHED", time.Now())
	}
	if len(a) != maxAttempts {
		t.Errorf("%d are counted", len(a))
	}
}

// Of a bridge whose packets are dropped there is one attempt, which lasts.
func TestAttemptThatLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(new(int))
		tr.event("ORCONN $A~name LAUNCHED ID=5")
		if tr.snapshot().Unreached("A") {
			t.Error("it has just begun")
		}
		time.Sleep(answerTime)
		if !tr.snapshot().Unreached("A") || tr.snapshot().Unreached("B") {
			t.Error("one that lasts is not told, or one that nobody tries is")
		}
		if tr.event("ORCONN $A~name CONNECTED ID=5"); tr.snapshot().Unreached("A") {
			t.Error("it has answered")
		}
	})
}
