package serve

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"

	"tunic/gateway/link"
)

// identities counts how often each device got another identity towards tor.
// The number goes into all by which tor tells devices apart, so that a new one
// shares no circuit with the old.
type identities struct {
	mu  sync.Mutex
	all uint64
	of  map[netip.Addr]uint64 // as many as the household has addresses, and no more: only the parent names them
}

// number is the current one of a device.
func (i *identities) number(device netip.Addr) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.all + i.of[device.Unmap().WithZone("")]
}

// secret is one that belongs to a device's current identity.
func (i *identities) secret(of [16]byte, device netip.Addr) [16]byte {
	last := of[8:]
	binary.BigEndian.PutUint64(last, binary.BigEndian.Uint64(last)^i.number(device))
	return of
}

// renew gives the devices, or all, another identity.
func (i *identities) renew(devices []netip.Addr) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(devices) == 0 {
		i.all++
	}
	if i.of == nil {
		i.of = make(map[netip.Addr]uint64)
	}
	for _, d := range devices {
		i.of[d.Unmap().WithZone("")]++
	}
}

// renew makes new identities first, then forgets what was learned by the old ones.
func (s *Server) renew(_ context.Context, r link.Renewal) (none struct{}, err error) {
	s.identities.renew(r.Devices)
	if len(r.Devices) == 0 {
		err = s.resolver.ForgetAll()
	}
	for _, d := range r.Devices {
		s.resolver.Forget(d)
	}
	return none, err
}
