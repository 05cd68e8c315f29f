package gateway

import (
	"context"
	"net/netip"

	"tunic/gateway/link"
)

// Renew makes serve give the devices, or all if none is named, other
// identities towards tor.
func (c *Child) Renew(ctx context.Context, devices []netip.Addr) error {
	_, err := c.request(ctx, func(id uint64) link.Message { return link.Renew{ID: id, Devices: devices} })
	return err
}
