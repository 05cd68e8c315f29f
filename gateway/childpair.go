package gateway

import (
	"context"

	"tunic/gateway/link"
)

// maxPairing bounds what other boxes can make the parent do at a time.
const maxPairing = 32

// pair answers serve's questions about other boxes.
func (c *Child) pair(ctx context.Context, conn *link.Conn, id uint64, decide func(context.Context) link.Paired) {
	if n := c.pairing.Add(1); n > maxPairing {
		c.pairing.Add(-1)
		c.send(conn, link.Paired{ID: id, Error: "busy"})
		return
	}
	go func() {
		defer c.pairing.Add(-1)
		c.send(conn, decide(ctx))
	}()
}
