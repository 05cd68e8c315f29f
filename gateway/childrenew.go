package gateway

import (
	"context"
	"errors"
	"net/netip"

	"tunic/gateway/link"
)

// Renew makes serve give the devices, or all if none is named, other
// identities towards tor.
func (c *Child) Renew(ctx context.Context, devices []netip.Addr) error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return errAway
	}
	answer, err := c.ask(ctx, conn, func(id uint64) link.Message { return link.Renew{ID: id, Devices: devices} })
	for _, text := range answer.Errors {
		err = errors.Join(err, errors.New(text))
	}
	return err
}
