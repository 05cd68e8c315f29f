package netfilter

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket that its owner has closed fails too, and that is no fault.
func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := ended(ctx, "x", unix.EAGAIN); !errors.Is(err, ErrWatchEnded) || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("while it is wanted: %v", err)
	}
	cancel()
	if err := ended(ctx, "x", unix.EAGAIN); !errors.Is(err, context.Canceled) || errors.Is(err, ErrWatchEnded) {
		t.Errorf("when it is not: %v", err)
	}
}
