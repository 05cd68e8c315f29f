// Package house is what somebody can do and see in the households of a lab:
// run a program on a node and take a failure for one, find and end processes
// of a box, read and load the rules of its kernel, and look how all boxes
// stand, to compare it with how they stood before.
//
// `tunic-lab demo` and the end-to-end tests share it. Nothing here knows of a
// test: what fails is an error. The lab itself, with its nodes and wires, is
// internal/lab.
package house

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/internal/lab"
)

// Run runs a program on a node and returns what it printed, without spaces
// around it; a status other than 0 is an error that holds what it complained of.
func Run(ctx context.Context, l *lab.Lab, node string, args ...string) (string, error) {
	r, err := l.Exec(ctx, node, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s on %s ended with status %d:\n%s%s", strings.Join(args, " "), node, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout), err
}

// Eventually repeats what may fail at first, with a pause in between, until it
// succeeds; after the limit, or when ctx is over, it returns the last error.
func Eventually[T any](ctx context.Context, limit, pause time.Duration, try func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		got, err := try()
		if err == nil {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return got, err
		case <-time.After(pause):
		}
	}
}

// IsExit reports whether an address is that of an exit of the lab's Tor network.
func IsExit(addr string) bool {
	return slices.ContainsFunc(lab.TorRelays(), func(r lab.Relay) bool {
		return !r.Authority && (addr == r.Addr4.String() || addr == r.Addr6.String())
	})
}
