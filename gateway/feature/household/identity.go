package household

import (
	"context"
	"errors"
	"net/netip"

	"tunic/gateway/api"
	"tunic/gateway/feature"
)

// NewNym asks for circuits that have nothing to do with those before: for
// everybody by tor's own signal, for one device by closing what it uses and by
// giving it another identity towards tor. What tor cannot do is not promised:
// see the help of the verb.
func (f *Feature) NewNym(ctx context.Context, r api.NewNymRequest) (api.NewNym, error) {
	if r.Device == "" {
		if err := f.Tor.NewNym(ctx); err != nil {
			return api.NewNym{}, err
		}
		return api.NewNym{}, f.Server.Renew(ctx, nil)
	}
	d, err := find(f.devices(ctx, f.host.Now().Config), r.Device)
	if err != nil {
		if err == errUnknownMAC {
			err = feature.Usage(err, "`tunic devices` lists them")
		}
		return api.NewNym{}, err
	}
	addresses := []netip.Addr{}
	for _, text := range d.Addresses {
		if a, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, a)
		}
	}
	if len(addresses) == 0 {
		return api.NewNym{}, feature.Usage(errors.New("no address of this device is known: it was not seen lately"),
			"it has no connections either")
	}
	// First the new identity, then the end of the old one: what the device
	// opens at once again must not get the old.
	if err := f.Server.Renew(ctx, addresses); err != nil {
		return api.NewNym{}, err
	}
	closed, err := f.Tor.Forget(ctx, addresses)
	return api.NewNym{Addresses: d.Addresses, Circuits: closed}, err
}
