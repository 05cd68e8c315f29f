package main

import (
	"context"
	"sync"
)

// guard is something beside the daemon that can be stopped for a while.
type guard struct {
	work func(context.Context)
	ctx  context.Context // of the daemon

	mu   sync.Mutex
	end  context.CancelFunc // nil: it does not run
	done chan struct{}
}

// start begins to work, if it does not already.
func (g *guard) start() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.end != nil || g.ctx.Err() != nil {
		return
	}
	ctx, end := context.WithCancel(g.ctx)
	done := make(chan struct{})
	g.end, g.done = end, done
	go func() {
		defer close(done)
		g.work(ctx)
	}()
}

// stop returns when nothing works any more.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.end == nil {
		return
	}
	g.end()
	<-g.done
	g.end = nil
}
