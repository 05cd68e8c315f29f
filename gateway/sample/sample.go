// Package sample takes profiles of the process that it is in, for who wants to know what a box's
// time and memory go to: of the processor's time, of what is allocated, of what goroutines wait
// for. Nothing is sampled while nobody asks.
//
// A profile is in the form of `go tool pprof` (profile.proto, compressed by gzip). It has names of
// functions of the program, and numbers: no content of memory and no argument is in it, so
// neither a name of the household nor a key.
package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"
)

// Kind is what a profile is of.
type Kind string

// The kinds.
const (
	CPU        Kind = "cpu"        // where the processor's time goes, 100 looks a second
	Heap       Kind = "heap"       // what is allocated meanwhile, and which of it is in use at the end
	Goroutines Kind = "goroutines" // where each goroutine is, at once: a profile that takes no time
)

// Kinds are all of them.
var Kinds = []Kind{CPU, Heap, Goroutines}

// longest is how long a profile may take.
const longest = 2 * time.Minute

// heapRate is of so many allocated bytes one, on average (runtime.MemProfileRate): a box allocates
// little.
const heapRate = 16 << 10

// ErrBusy is returned while another profile of the process is being taken.
var ErrBusy = fmt.Errorf("another profile is being taken: it is done in %v at most", longest)

// taking is held by the one who takes a profile.
var taking sync.Mutex

// Rest has the process note nothing of what it allocates until a profile of that is taken. It is
// called before anything else; Go notes it by itself otherwise, in a megabyte of tables.
func Rest() { runtime.MemProfileRate = 0 }

// Check says what is wrong with a question for a profile, if anything is.
func Check(k Kind, length time.Duration) error {
	if !slices.Contains(Kinds, k) {
		return fmt.Errorf("there is no profile %q: name %s, %s or %s", k, CPU, Heap, Goroutines)
	}
	if length < time.Second || length > longest {
		return fmt.Errorf("%v is not between %v and %v", length, time.Second, longest)
	}
	return nil
}

// Take takes a profile, which lasts length. It ends early, with an error, if ctx does.
func Take(ctx context.Context, k Kind, length time.Duration) ([]byte, error) {
	if err := Check(k, length); err != nil {
		return nil, err
	}
	if !taking.TryLock() {
		return nil, ErrBusy
	}
	defer taking.Unlock()
	var out bytes.Buffer
	var err error
	switch k {
	case CPU:
		if err = pprof.StartCPUProfile(&out); err == nil {
			err = wait(ctx, length)
			pprof.StopCPUProfile()
		}
	case Heap:
		runtime.MemProfileRate = heapRate
		defer Rest()
		if err = wait(ctx, length); err == nil {
			runtime.GC() // the profile is that of the last collection
			err = write("heap", &out)
		}
	case Goroutines:
		err = write("goroutine", &out)
	}
	if err != nil {
		return nil, fmt.Errorf("taking a profile: %w", err)
	}
	return out.Bytes(), nil
}

// write writes one of Go's own profiles in the form that has no arguments.
func write(name string, out *bytes.Buffer) error {
	p := pprof.Lookup(name)
	if p == nil {
		return errors.New("there is none of " + name)
	}
	return p.WriteTo(out, 0)
}

func wait(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
