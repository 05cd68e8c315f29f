// Package blocklist keeps lists of names that the household's resolver answers as
// if they did not exist: it fetches them, through Tor alone, keeps the last good
// copy of each, and knows whether a name is on one.
//
// A list that fails leaves the others, and its own last copy, in force. It never
// stops an answer to any other name. It is no firewall: who knows an address needs
// no name.
package blocklist

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxNames = 1_000_000 // of all lists together, exceptions included

	fresh    = 24 * time.Hour // for so long a copy is not fetched again
	tryAgain = time.Minute    // after the first failure; then twice as long each time
	tryLast  = 6 * time.Hour
	tryAway  = 15 * time.Minute // the same where the server was not reached: perhaps nothing is, and nobody tells when that is over
)

// List is one list as the owner named it.
type List struct {
	Source  string // an absolute path, or a URL that config.RefuseListURL has nothing against
	Version string // of a file: another text when it has changed
}

// Status is how one list is.
type Status struct {
	Source string
	Counts           // of the copy in force; zero: there is none
	From   time.Time // when that copy was made
	Error  string    // why there is no newer one, or why it is not in force; "": all is well
}

// Options are what a Keeper is given for life; Log and Dial are required.
type Options struct {
	Log *slog.Logger
	// Dial connects to a host through Tor, on circuits that all calls with the same
	// isolation share, and no others. Why it cannot is an Unreached.
	Dial func(ctx context.Context, isolation, host string, port uint16) (net.Conn, error)
	// Roots are what certificates are checked by; nil means those of the box.
	Roots *x509.CertPool
}

// Keeper has the lists. Set is for one goroutine, the other methods for any.
type Keeper struct {
	Options
	max  int // maxNames, but in tests
	now  func() time.Time
	set  atomic.Pointer[set]
	stop func() // ends the work for the lists of the last Set, and waits for it

	dir   string
	lists []List

	mu    sync.Mutex
	known []*entry
}

// entry is one list with the times at which it is fetched.
type entry struct {
	Status
	path   string        // of its copy
	next   time.Time     // when it is fetched
	failed time.Duration // how long it waits after the last failure; 0: there was none
	over   string        // why its copy is not in force
}

// New returns a Keeper without lists.
func New(o Options) *Keeper {
	k := &Keeper{Options: o, max: maxNames, now: time.Now, stop: func() {}}
	k.set.Store(new(set))
	return k
}

// Blocked reports whether a name, in lower case without a final dot, is on a list.
func (k *Keeper) Blocked(name string) bool {
	s := k.set.Load()
	return len(s.blocked) > 0 && s.has(name)
}

// Status says how each list is, in their order.
func (k *Keeper) Status() []Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Status
	for _, e := range k.known {
		one := e.Status
		if e.over != "" {
			one.Error = e.over
		}
		all = append(all, one)
	}
	return all
}

// Set replaces the lists. Their copies are in dir, which is there. What was in force
// stays so until the copies have been read, but for no lists at all. The work ends
// with ctx.
func (k *Keeper) Set(ctx context.Context, dir string, lists []List) {
	if dir == k.dir && slices.Equal(lists, k.lists) {
		return
	}
	k.stop()
	k.dir, k.lists, k.stop = dir, slices.Clone(lists), func() {}
	k.mu.Lock()
	k.known = nil
	for _, l := range lists {
		k.known = append(k.known, &entry{Status: Status{Source: l.Source}, path: copyOf(dir, l.Source)})
	}
	k.mu.Unlock()
	if len(lists) == 0 {
		k.set.Store(new(set))
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	k.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		k.run(ctx)
	}()
}

// copyOf is the file in which the last good copy of a list is.
func copyOf(dir, source string) string {
	sum := sha256.Sum256([]byte(source))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+".list")
}

// run reads the copies, and then fetches each list when it is time.
func (k *Keeper) run(ctx context.Context) {
	k.sweep()
	for _, e := range k.known {
		if info, err := os.Stat(e.path); err == nil && e.Source[0] != '/' {
			e.next = info.ModTime().Add(fresh)
			if e.next.After(k.now().Add(fresh)) { // it was written under a clock that was ahead
				e.next = time.Time{}
			}
		}
	}
	k.rebuild()
	for ctx.Err() == nil {
		if k.refresh(ctx) {
			k.rebuild()
		}
		select {
		case <-ctx.Done():
		case <-time.After(k.wait()):
		}
	}
}

// wait is how long no list has to be fetched.
func (k *Keeper) wait() time.Duration {
	next := k.known[0].next
	for _, e := range k.known {
		if e.next.Before(next) {
			next = e.next
		}
	}
	return max(next.Sub(k.now()), time.Second)
}

// refresh fetches the lists whose time has come, one after the other, and reports
// whether there is a new copy.
func (k *Keeper) refresh(ctx context.Context) (news bool) {
	for _, e := range k.known {
		if ctx.Err() != nil || e.next.After(k.now()) {
			continue
		}
		err := k.renew(ctx, e.Source, e.path)
		if ctx.Err() != nil {
			return news
		}
		k.mu.Lock()
		if err == nil {
			news, e.failed, e.Error = true, 0, ""
			e.next = k.now().Add(fresh)
		} else {
			longest := tryLast
			if _, away := errors.AsType[Unreached](err); away {
				longest = tryAway
			}
			e.failed, e.Error = min(max(2*e.failed, tryAgain), longest), err.Error()
			e.next = k.now().Add(e.failed)
		}
		k.mu.Unlock()
		if err != nil {
			k.Log.Warn("a block list could not be renewed", "list", e.Source, "error", err)
		}
	}
	return news
}

// rebuild makes what is in force of the copies. A list with which there would be too
// many names is left out.
func (k *Keeper) rebuild() {
	s := &set{seed: maphash.MakeSeed()}
	for _, e := range k.known {
		blocked, exceptions := len(s.blocked), len(s.exception)
		c, from, err := k.read(e.path, s)
		over := ""
		switch {
		case err == errFull:
			over = fmt.Sprintf("with it there are more than %d names on all lists", k.max)
		case err != nil && !os.IsNotExist(err):
			over = "its copy could not be read"
		}
		if err != nil {
			s.blocked, s.exception, c, from = s.blocked[:blocked], s.exception[:exceptions], Counts{}, time.Time{}
		}
		k.mu.Lock()
		e.Counts, e.From, e.over = c, from, over
		k.mu.Unlock()
	}
	s.finish()
	k.set.Store(s)
	debug.FreeOSMemory() // reading took several times what the set does
}

var errFull = fmt.Errorf("too many names")

// read adds a copy to a set. On an error a part of it may be there.
func (k *Keeper) read(path string, s *set) (c Counts, from time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return c, from, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return c, from, err
	}
	full := false
	c, err = Parse(f, func(name string, exception bool) {
		if full = full || len(s.blocked)+len(s.exception) >= k.max; !full {
			s.add(name, exception)
		}
	})
	if full && err == nil {
		err = errFull
	}
	return c, info.ModTime(), err
}

// sweep removes copies of lists that are none any more, and what was half written.
func (k *Keeper) sweep() {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return
	}
	for _, f := range files {
		path := filepath.Join(k.dir, f.Name())
		if !slices.ContainsFunc(k.known, func(e *entry) bool { return e.path == path }) {
			os.Remove(path)
		}
	}
}
