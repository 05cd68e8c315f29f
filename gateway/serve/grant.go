package serve

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"tunic/gateway/link"
)

// grants asks the parent to let devices through to addresses.
type grants struct{ questions[link.Granted] }

// grant waits until the parent has let the device through, or ctx ends.
func (g *grants) grant(ctx context.Context, device netip.Addr, domain string, addrs []netip.Addr, ttl time.Duration) error {
	reply, err := g.ask(ctx, func(id uint64) link.Message {
		return link.Grant{ID: id, Device: device, Domain: domain, Addrs: addrs, TTL: ttl}
	})
	if err == nil && reply.Error != "" {
		err = fmt.Errorf("the parent refuses: %s", reply.Error)
	}
	return err
}
