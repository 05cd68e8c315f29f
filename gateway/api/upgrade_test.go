package api

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// The process ends after it was answered, and only if there was an upgrade.
func TestUpgradeLeavesAfterItsAnswer(t *testing.T) {
	f := &fake{}
	c := client(t, f)
	if got, err := c.Upgrade(t.Context()); err != nil || got.To != "2" || got.Streams != 3 {
		t.Errorf("Upgrade = %+v, %v", got, err)
	}
	time.Sleep(50 * time.Millisecond)
	if !slices.Equal(f.asked, []any{"left"}) {
		t.Errorf("it did %v", f.asked)
	}
	f.asked, f.err = nil, &Failure{Problem{Error: "it hangs", Hint: "the old one goes on"}}
	_, err := c.Upgrade(t.Context())
	var failed *Failure
	if !errors.As(err, &failed) || failed.Hint != "the old one goes on" || len(f.asked) > 0 {
		t.Errorf("%v, it did %v", err, f.asked)
	}
}
