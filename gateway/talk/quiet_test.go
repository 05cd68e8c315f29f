package talk

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever sits at a table and says nothing for an hour is asked, and then their seat is free:
// while they wait, and while they talk. What either says keeps it.
func TestSeatIsFreeAfterALongSilence(t *testing.T) {
	const asked, over = "* Nobody has said anything for 55 minutes. Write a line within 5", "* Nobody has said anything for an hour"
	synctest.Test(t, func(t *testing.T) {
		var h House[string]
		ann, done := sit(t, &h, friendAway())
		ann.reads(t, "* missed")
		time.Sleep(56 * time.Minute)
		ann.reads(t, asked)
		ann.types(t, "hello?\n")
		ann.reads(t, "* bob is not here yet")
		time.Sleep(59 * time.Minute)
		_, second := sit(t, &h, friendAway())
		ended(t, second, ErrTaken)
		time.Sleep(2 * time.Minute)
		ann.reads(t, over)
		ended(t, done, errLeft)

		ann, done = sit(t, &h, friendAway())
		ann.reads(t, "* missed")
		bob, far := terminal(t)
		if err := h.Answer(t.Context(), "bob", far); err != nil {
			t.Fatal(err)
		}
		ann.reads(t, "* bob is here.")
		for range 3 {
			time.Sleep(40 * time.Minute)
			bob.types(t, "hi\n")
			ann.reads(t, "bob: hi")
			time.Sleep(40 * time.Minute)
			ann.types(t, "hi\n")
			bob.reads(t, "hi")
		}
		time.Sleep(longSilence + time.Second)
		ann.reads(t, asked)
		ann.reads(t, over)
		ended(t, done, nil)
		for line := range bob.shown { // it ends
			t.Errorf("the friend hears %q", line)
		}
	})
}
