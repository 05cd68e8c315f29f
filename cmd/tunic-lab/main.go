// Command tunic-lab builds a private Tor network with two or three households
// on one machine, to try tunic without touching a real network.
//
// Use it for demonstrations and tests; see package tunic/internal/lab for what
// is inside. It is not needed on a real box, and is never installed there.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tunic-lab:", err)
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a command line that cannot be understood: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
