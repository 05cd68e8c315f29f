package household

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/leases"
)

// Devices lists configured devices and those that the kernel or the DHCP
// server knows, sorted by name, those without one last.
func (f *Feature) Devices(ctx context.Context) ([]api.Device, error) {
	return f.devices(ctx, f.host.Now().Config), nil
}

// devices says of temporary policies what the last pass has put in force.
func (f *Feature) devices(ctx context.Context, c *config.Config) []api.Device {
	all := registry{defaultPolicy: c.Household.DefaultPolicy, temporary: f.now()}
	for _, d := range c.Devices {
		all.add(api.Device{Name: d.Name, Named: "file", MAC: d.MAC, Policy: string(d.Policy)})
	}
	for _, p := range all.temporary.Policies {
		all.entry(p.MAC)
	}
	for _, p := range all.temporary.Portals {
		all.entry(p.MAC)
	}
	neighbours, err := f.Kernel.Neighbours(ctx, c.Household.Interfaces)
	if err != nil {
		f.Log.Debug("reading the neighbour table failed", "error", err)
	}
	for _, n := range neighbours {
		if n.Addr.IsLinkLocalUnicast() {
			continue
		}
		d := all.entry(n.MAC)
		d.Seen = true
		d.addAddress(n.Addr)
	}
	list, err := f.System.Leases()
	if err != nil {
		f.Log.Debug("reading the DHCP leases failed", "error", err)
	}
	all.lease(list)
	return all.list()
}

// registry collects what is known of devices.
type registry struct {
	defaultPolicy config.Policy
	temporary     temporary
	entries       []*registered
}

type registered struct{ api.Device }

func (r *registry) add(d api.Device) *registered {
	d.Addresses = []string{}
	e := &registered{d}
	r.entries = append(r.entries, e)
	return e
}

// entry returns what is known of the device with that address.
func (r *registry) entry(mac string) *registered {
	for _, e := range r.entries {
		if e.MAC == mac {
			return e
		}
	}
	return r.add(api.Device{MAC: mac, Policy: string(r.defaultPolicy)})
}

// lease adds names and addresses. A name that two devices use, or that is in a
// device's file, names nobody.
func (r *registry) lease(list []leases.Lease) {
	owners := make(map[string]string)
	for _, e := range r.entries {
		if e.Name != "" {
			owners[e.Name] = e.MAC
		}
	}
	for _, l := range list {
		if mac, taken := owners[l.Name]; taken && mac != l.MAC {
			owners[l.Name] = ""
		} else {
			owners[l.Name] = l.MAC
		}
	}
	for _, l := range list {
		e := r.entry(l.MAC)
		e.addAddress(l.Addr)
		if e.Name == "" && l.Name != "" && owners[l.Name] == l.MAC {
			e.Name, e.Named = l.Name, "lease"
		}
	}
}

func (e *registered) addAddress(a netip.Addr) {
	if text := a.String(); !slices.Contains(e.Addresses, text) {
		e.Addresses = append(e.Addresses, text)
	}
}

// list returns the devices with the policies that are in force now.
func (r *registry) list() []api.Device {
	devices := make([]api.Device, 0, len(r.entries))
	for _, e := range r.entries {
		if p, ok := r.temporary.policy(e.MAC); ok {
			e.Then, e.Policy, e.Until = e.Policy, string(p.Policy), &p.Until
		}
		devices = append(devices, e.Device)
	}
	slices.SortFunc(devices, func(a, b api.Device) int {
		if (a.Name == "") != (b.Name == "") {
			return strings.Compare(b.Name, a.Name)
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.MAC, b.MAC))
	})
	return devices
}

// find returns the device that a person means by a name, a MAC or an IP address.
func find(devices []api.Device, word string) (api.Device, error) {
	word = strings.TrimSpace(word)
	mac, err := config.ParseMAC(word)
	isMAC := err == nil
	addr, err := netip.ParseAddr(word)
	isAddr := err == nil
	for _, d := range devices {
		switch {
		case isMAC && d.MAC == mac, isAddr && slices.Contains(d.Addresses, addr.Unmap().String()), d.Name != "" && d.Name == word:
			return d, nil
		}
	}
	if isMAC {
		return api.Device{}, errUnknownMAC
	}
	return api.Device{}, feature.Usage(fmt.Errorf("no device is known as %q", word), config.NamingHint(word))
}

// errUnknownMAC is returned for an address that may be a device's all the same.
var errUnknownMAC = errors.New("no device with this hardware address was seen")

// findOrMAC is find, and takes a MAC address that nobody has seen for a device.
func findOrMAC(c *config.Config, devices []api.Device, word string) (api.Device, error) {
	d, err := find(devices, word)
	if errors.Is(err, errUnknownMAC) {
		mac, err := config.ParseMAC(word)
		return api.Device{MAC: mac, Policy: string(c.Household.DefaultPolicy), Addresses: []string{}}, err
	}
	return d, err
}

// Find returns the device that a person means, also one that was never seen.
func (f *Feature) Find(ctx context.Context, word string) (api.Device, error) {
	c := f.host.Now().Config
	return findOrMAC(c, f.devices(ctx, c), word)
}
