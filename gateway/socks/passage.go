package socks

import (
	"sync"

	"tunic/gateway/splice"
)

// relay copies both ways, until both ends are done or one fails, and then closes both. It
// returns at once: from then on the stream has no goroutine, and cut ends it.
func (t *conversation) relay(running *sync.WaitGroup, cut *splice.Cutter, over func()) {
	early := uint64(len(t.early))
	running.Add(1)
	tie := splice.New(t.client, t.upstream, splice.Options{Reset: true, Over: func(up, down splice.Way) {
		defer running.Done()
		t.counts.up.Add(uint64(up.Moved) + early)
		t.counts.down.Add(uint64(down.Moved))
		over()
	}})
	cut.By(tie.Cut)
	tie.Start()
}

// sendEarly sends what the device sent behind its request, and reports whether the stream
// goes on.
func (t *conversation) sendEarly() bool {
	if len(t.early) == 0 {
		return true
	}
	_, err := t.upstream.Write(t.early)
	if err == nil {
		return true
	}
	t.client.SetLinger(0) // see splice.Options.Reset
	t.client.Close()
	t.upstream.Close()
	return false
}
