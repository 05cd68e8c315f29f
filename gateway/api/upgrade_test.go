package api

import (
	"errors"
	"testing"
	"time"
)

// The process ends after it was answered, and only if there was an upgrade.
func TestUpgradeLeavesAfterItsAnswer(t *testing.T) {
	f := &fake{left: make(chan struct{}, 2)}
	c := client(t, f)
	if got, err := c.Upgrade(t.Context()); err != nil || got.To != "2" || got.Streams != 3 {
		t.Errorf("Upgrade = %+v, %v", got, err)
	}
	select {
	case <-f.left:
	case <-time.After(30 * time.Second):
		t.Error("the process does not end")
	}
	f.err = &Failure{Problem{Error: "it hangs", Hint: "the old one goes on"}}
	_, err := c.Upgrade(t.Context())
	var failed *Failure
	if !errors.As(err, &failed) || failed.Hint != "the old one goes on" || len(f.left) > 0 {
		t.Errorf("%v, it ends: %v", err, len(f.left) > 0)
	}
}
