package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/leases"
	"tunic/rules"
)

// System is what the gateway asks of the box beside its packet filter.
type System interface {
	// Leases are what devices call themselves.
	Leases() ([]leases.Lease, error)
	// Resolvers are the DNS servers that the box itself was told of.
	Resolvers() []netip.Addr
	// Addresses are all of the box's own.
	Addresses() ([]netip.Addr, error)
	// Counters says how many packets matched each rule of our chains, by
	// "TABLE CHAIN", in their order there.
	Counters(ctx context.Context, f rules.Family) (map[string][]uint64, error)
	// Wall says what is wrong with the second wall (decision 44); nothing: it stands.
	Wall() ([]string, error)
}

// Devices lists configured devices and those that the kernel or the DHCP
// server knows, sorted by name, those without one last.
func (g *Gateway) Devices(ctx context.Context) ([]api.Device, error) {
	return g.devices(ctx, g.snapshot()), nil
}

// devices says of temporary policies what the last pass has put in force.
func (g *Gateway) devices(ctx context.Context, v view) []api.Device {
	c := v.config
	all := registry{defaultPolicy: c.Household.DefaultPolicy, temporary: v.temporary}
	for _, d := range c.Devices {
		all.add(api.Device{Name: d.Name, Named: "file", MAC: d.MAC, Policy: string(d.Policy)})
	}
	for _, p := range all.temporary.Policies {
		all.entry(p.MAC)
	}
	for _, p := range all.temporary.Portals {
		all.entry(p.MAC)
	}
	neighbours, err := g.Kernel.Neighbours(ctx, c.Household.Interfaces)
	if err != nil {
		g.Log.Debug("reading the neighbour table failed", "error", err)
	}
	for _, n := range neighbours {
		if n.Addr.IsLinkLocalUnicast() {
			continue
		}
		d := all.entry(n.MAC)
		d.Seen = true
		d.addAddress(n.Addr)
	}
	list, err := g.System.Leases()
	if err != nil {
		g.Log.Debug("reading the DHCP leases failed", "error", err)
	}
	all.lease(list)
	return all.list()
}

// registry collects what is known of devices.
type registry struct {
	defaultPolicy config.Policy
	temporary     Temporary
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
		return strings.Compare(a.Name+" "+a.MAC, b.Name+" "+b.MAC)
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
	return api.Device{}, feature.Usage(fmt.Errorf("no device is known as %q", word), "`tunic devices` lists them; one that was never seen is named by its MAC address")
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

// SetDevice changes a device: for good in its file, or for a while. If anything
// is wrong nothing has changed.
func (g *Gateway) SetDevice(ctx context.Context, r api.DeviceRequest) (api.Device, error) {
	policy, mac, err := parseDevice(r)
	if err != nil {
		return api.Device{}, err
	}
	err = g.do(ctx, func(ctx context.Context) (err error) {
		if r.For != 0 {
			mac, err = g.setForAWhile(ctx, r, policy)
			return err
		}
		mac, err = g.setForGood(ctx, config.DeviceEdit{Name: r.Device, MAC: mac, Policy: policy})
		return err
	})
	if err != nil {
		return api.Device{}, err
	}
	return find(g.devices(ctx, g.snapshot()), mac)
}

// LongestPolicy bounds what is called a while.
const LongestPolicy = 30 * 24 * time.Hour

// parseDevice checks the words of a request.
func parseDevice(r api.DeviceRequest) (policy config.Policy, mac string, err error) {
	const example = "example: tunic device tv --mac 02:00:5e:10:00:01 --policy direct"
	if r.Policy != "" {
		if policy, err = config.ParsePolicy(r.Policy); err != nil {
			return "", "", feature.Usage(err, "")
		}
	}
	if r.MAC != "" {
		if mac, err = config.ParseMAC(r.MAC); err != nil {
			return "", "", feature.Usage(err, "")
		}
	}
	switch {
	case r.For != 0 && api.CheckSpan(r.For, LongestPolicy) != nil:
		return "", "", feature.Usage(fmt.Errorf("--for: %w", api.CheckSpan(r.For, LongestPolicy)), example+" --for 2h")
	case r.For != 0 && policy == "":
		return "", "", feature.Usage(errors.New("a time was given, but no policy to have for that long"), example+" --for 2h")
	case r.For != 0 && mac != "":
		return "", "", feature.Usage(errors.New("a hardware address cannot be given for a while only"), "name the device by it: tunic device "+mac+" --policy direct --for 2h")
	case r.For == 0 && policy == "" && mac == "":
		return "", "", feature.Usage(errors.New("nothing was given that could change"), example)
	}
	return policy, mac, nil
}

// nameHint is for who gives an address where a file's name is needed.
func nameHint(word string) string {
	_, notIP := netip.ParseAddr(word)
	_, notMAC := config.ParseMAC(word)
	switch {
	case notMAC == nil:
		return "give the device a name: tunic device NAME --mac " + word + "; or a policy for a while: --for 2h"
	case notIP == nil:
		return "give the device a name, with the hardware address that `tunic devices` shows: tunic device NAME --mac ADDRESS; or a policy for a while: --for 2h"
	}
	return ""
}

// setForGood writes the device's file and applies it. Where no address was
// given and there is no file yet, the device is found by what it calls itself.
func (g *Gateway) setForGood(ctx context.Context, e config.DeviceEdit) (mac string, err error) {
	if err := config.CheckDeviceName(e.Name); err != nil {
		return "", feature.Usage(err, nameHint(e.Name))
	}
	c, err := loadConfig(g.Paths)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == e.Name })
	switch {
	case e.MAC != "":
		mac = e.MAC
	case i >= 0:
		mac = c.Devices[i].MAC
	default:
		v := g.snapshot()
		v.config = c
		d, err := find(g.devices(ctx, v), e.Name)
		if err != nil {
			return "", feature.Usage(fmt.Errorf("no device calls itself %q, so its hardware address must be given", e.Name),
				"`tunic devices` lists them: tunic device "+e.Name+" --mac ADDRESS")
		}
		mac, e.MAC = d.MAC, d.MAC
	}
	return mac, g.edit(ctx, feature.Edit{
		Files: []string{g.Paths.DeviceFile(e.Name)},
		Write: func() error {
			if err := config.EditDevice(g.Paths, e); err != nil || e.Policy == "" {
				return err
			}
			return g.temporary.change(func(t *Temporary) { t.endPolicy(mac) })
		},
		Load:  true,
		Fault: ruleFault,
	})
}

// setForAWhile gives a device another policy until a time.
func (g *Gateway) setForAWhile(ctx context.Context, r api.DeviceRequest, policy config.Policy) (mac string, err error) {
	v := g.snapshot()
	d, err := findOrMAC(v.config, g.devices(ctx, v), r.Device)
	if err != nil {
		return "", err
	}
	p := TemporaryPolicy{MAC: d.MAC, Policy: policy, Span: newSpan(g.temporary.now(), r.For)}
	return d.MAC, g.forAWhile(ctx, func(t *Temporary) { t.setPolicy(p) })
}

// forAWhile changes what is in force for a while.
func (g *Gateway) forAWhile(ctx context.Context, change func(*Temporary)) error {
	return g.edit(ctx, feature.Edit{Write: func() error { return g.temporary.change(change) }, Fault: ruleFault})
}

// permanent is the configuration without the policies that others stand in for
// at the moment.
func permanent(c *config.Config, t Temporary) *config.Config {
	p := *c
	p.Devices = slices.DeleteFunc(slices.Clone(c.Devices), func(d config.Device) bool {
		_, replaced := t.policy(d.MAC)
		return replaced
	})
	return &p
}

// temporaryWords says in words what leaves the box outside Tor for a while.
func temporaryWords(c *config.Config, t Temporary) []string {
	var words []string
	for _, p := range t.Policies {
		if p.Policy == config.PolicyDirect || p.Policy == config.PolicyOnion {
			words = append(words, fmt.Sprintf("the device %s until %s (policy = %s)", c.NameOf(p.MAC), clock(p.Until), p.Policy))
		}
	}
	for _, p := range t.Portals {
		words = append(words, fmt.Sprintf("web pages and names for the device %s until %s (portal)", c.NameOf(p.MAC), clock(p.Until)))
	}
	return words
}

// clock writes a time for people, in the box's own zone.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
