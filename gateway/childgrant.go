package gateway

import (
	"context"

	"tunic/gateway/link"
)

// maxGranting bounds what serve, which a device may have taken over, can make
// the parent do at a time.
const maxGranting = 64

// grant answers a Grant of serve's, not before it is in force.
func (c *Child) grant(ctx context.Context, conn *link.Conn, r link.Grant) {
	if n := c.granting.Add(1); c.Grant == nil || n > maxGranting {
		c.granting.Add(-1)
		c.reply(conn, r.ID, "busy")
		return
	}
	go func() {
		defer c.granting.Add(-1)
		why := ""
		if err := c.Grant(ctx, r); err != nil {
			why = err.Error()
		}
		c.reply(conn, r.ID, why)
	}()
}

func (c *Child) reply(conn *link.Conn, id uint64, why string) {
	c.send(conn, link.Granted{ID: id, Error: why})
}
