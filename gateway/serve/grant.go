package serve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"tunic/gateway/link"
)

var errNoParent = errors.New("the parent has gone away")

// grants asks the parent to let devices through to addresses.
type grants struct {
	mu      sync.Mutex
	parent  *link.Conn // nil before Run
	last    uint64
	waiting map[uint64]chan link.Granted
}

// attach makes parent the one that is asked.
func (g *grants) attach(parent *link.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parent, g.waiting = parent, make(map[uint64]chan link.Granted)
}

// grant waits until the parent has let the device through, or ctx ends.
func (g *grants) grant(ctx context.Context, device netip.Addr, domain string, addrs []netip.Addr, ttl time.Duration) error {
	id, ch, parent := g.enlist()
	if parent == nil {
		return errNoParent
	}
	defer g.forget(id)
	if err := parent.Send(link.Grant{ID: id, Device: device, Domain: domain, Addrs: addrs, TTL: ttl}); err != nil {
		return fmt.Errorf("asking the parent: %w", err)
	}
	select {
	case reply := <-ch:
		if reply.Error != "" {
			return fmt.Errorf("the parent refuses: %s", reply.Error)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the parent: %w", ctx.Err())
	}
}

func (g *grants) enlist() (uint64, chan link.Granted, *link.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parent == nil {
		return 0, nil, nil
	}
	g.last++
	ch := make(chan link.Granted, 1)
	g.waiting[g.last] = ch
	return g.last, ch, g.parent
}

func (g *grants) forget(id uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, id)
}

// answer hands the parent's reply to whom it is for, if he still waits.
func (g *grants) answer(reply link.Granted) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ch := g.waiting[reply.ID]; ch != nil {
		ch <- reply // has room: it is sent once
		delete(g.waiting, reply.ID)
	}
}
