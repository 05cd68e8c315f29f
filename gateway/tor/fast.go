package tor

import (
	"context"
	"errors"
)

// A tor in single-hop mode publishes onions without their anonymity: it builds
// circuits of one relay to introduction and rendezvous points, which therefore
// see the address of the box, and it serves no client (tor(1),
// HiddenServiceSingleHopMode; prop260). The visitor stays anonymous. Both
// options are fixed for the life of a process, so such onions need a tor of
// their own beside the one that the household uses.
var singleHopLines = []string{
	"SocksPort 0",
	"HiddenServiceSingleHopMode 1",
	"HiddenServiceNonAnonymousMode 1",
}

// checkSingleHop refuses what a tor without clients cannot have, and bridges:
// it connects to relays directly, which is what bridges are there to avoid.
func (s Spec) checkSingleHop() error {
	if len(s.Bridges) > 0 || len(s.Auth) > 0 || len(s.Maps) > 0 || len(s.Exits.lines()) > 0 || s.TransPort != 0 || s.SocksPort != 0 ||
		s.Socks != "" || s.DNSPort != 0 {
		return errors.New("checking tor's settings: a tor in single-hop mode has onions alone: no ports, bridges, exits or visits")
	}
	return nil
}

// Stop ends the process and wants none until the next Apply. It returns when
// Serve knows; the process may take some seconds to end.
func (t *Tor) Stop() {
	t.applying.Lock()
	defer t.applying.Unlock()
	t.mu.Lock()
	wished := t.wished
	if wished {
		t.spec, t.asked, t.wished, t.wish = Spec{}, nil, false, make(chan struct{})
	}
	t.mu.Unlock()
	if wished {
		t.tracker.onions(nil)
		t.restartNow()
	}
}

// wanted waits until a process is wanted, and reports whether that was before
// ctx ended.
func (t *Tor) wanted(ctx context.Context) bool {
	t.mu.Lock()
	wish := t.wish
	t.mu.Unlock()
	select {
	case <-wish:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
