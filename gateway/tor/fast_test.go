package tor

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
)

// Stop ends what runs, and Serve waits for the next wish.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tor := New(Options{Log: slog.New(slog.DiscardHandler)})
		tor.Stop() // nothing wanted yet
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		waits := make(chan bool, 1)
		wait := func() { go func() { waits <- tor.wanted(ctx) }() }
		wait()
		tor.accept(fastSpec())
		if !<-waits {
			t.Error("a wish was not seen")
		}
		ended := 0
		if !tor.setRestart(func() { ended++ }) {
			t.Error("the process is not wanted any more")
		}
		tor.Stop()
		tor.Stop()
		if ended != 1 || !tor.current().Equal(Spec{}) {
			t.Errorf("ended %d times, state %+v", ended, tor.current())
		}
		if tor.setRestart(func() {}) {
			t.Error("a process would have been started between Stop and the next wish")
		}
		wait()
		synctest.Wait()
		select {
		case <-waits:
			t.Error("it did not wait")
		default:
		}
		cancel()
		if <-waits {
			t.Error("the end was taken for a wish")
		}
	})
}
