package household

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// SetDevice changes a device: for good in its file, or for a while. If anything
// is wrong nothing has changed.
func (f *Feature) SetDevice(ctx context.Context, r api.DeviceRequest) (api.Device, error) {
	policy, mac, err := parseDevice(r)
	if err != nil {
		return api.Device{}, err
	}
	switch {
	case r.End:
		return f.endForAWhile(ctx, r.Device)
	case r.For != 0:
		mac, err = f.setForAWhile(ctx, r, policy)
	default:
		mac, err = f.setForGood(ctx, config.DeviceEdit{Name: r.Device, MAC: mac, Policy: policy})
	}
	if err != nil {
		return api.Device{}, err
	}
	return find(f.devices(ctx, f.host.Now().Config), mac)
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
	case r.End && (r.For != 0 || policy != "" || mac != ""):
		return "", "", feature.Usage(errors.New("a policy ends that holds for a while, and nothing else can change with it"),
			"example: tunic device tv --for 0s")
	case r.End:
		return "", "", nil
	case r.For != 0 && api.CheckSpan(r.For, LongestPolicy) != nil:
		return "", "", feature.Usage(fmt.Errorf("--for: %w", api.CheckSpan(r.For, LongestPolicy)), example+" --for 2h")
	case r.For != 0 && policy == "":
		return "", "", feature.Usage(errors.New("a time was given, but no policy to have for that long"), example+" --for 2h")
	case r.For != 0 && mac != "":
		return "", "", feature.Usage(errors.New("a hardware address cannot be given for a while only"),
			"name the device by it: tunic device "+mac+" --policy direct --for 2h")
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
		return "give the device a name, with the hardware address that `tunic devices` shows: tunic device NAME --mac ADDRESS; " +
			"or a policy for a while: --for 2h"
	}
	return ""
}

// setForGood writes the device's file and applies it. Where no address was
// given and there is no file yet, the device is found by what it calls itself.
func (f *Feature) setForGood(ctx context.Context, e config.DeviceEdit) (mac string, err error) {
	if err := config.CheckDeviceName(e.Name); err != nil {
		return "", feature.Usage(err, nameHint(e.Name))
	}
	c, err := config.Load(f.Paths)
	if err != nil {
		return "", feature.Usage(err, "nothing was changed")
	}
	i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == e.Name })
	switch {
	case e.MAC != "":
		mac = e.MAC
	case i >= 0:
		mac = c.Devices[i].MAC
	default:
		d, err := find(f.devices(ctx, c), e.Name)
		if err != nil {
			return "", feature.Usage(fmt.Errorf("no device calls itself %q, so its hardware address must be given", e.Name),
				config.NamingHint(e.Name))
		}
		mac, e.MAC = d.MAC, d.MAC
	}
	return mac, f.edit(ctx, feature.Edit{
		Files: []string{f.Paths.DeviceFile(e.Name)},
		Write: func() error { return config.EditDevice(f.Paths, e) },
		Load:  true,
	}, func(t *temporary) {
		if e.Policy != "" {
			t.endPolicy(mac)
		}
	})
}

// setForAWhile gives a device another policy until a time.
func (f *Feature) setForAWhile(ctx context.Context, r api.DeviceRequest, policy config.Policy) (mac string, err error) {
	d, err := f.Find(ctx, r.Device)
	if err != nil {
		return "", err
	}
	p := policyForAWhile{MAC: d.MAC, Policy: policy, Span: feature.NewSpan(f.temporary.now(), r.For)}
	return d.MAC, f.forAWhile(ctx, func(t *temporary) { t.setPolicy(p) })
}

// endForAWhile gives a device its own policy back before the time is over. The box may
// know the device by nothing else, and not at all afterwards.
func (f *Feature) endForAWhile(ctx context.Context, word string) (api.Device, error) {
	d, err := f.Find(ctx, word)
	if err != nil {
		return api.Device{}, err
	}
	if d.Until == nil {
		return api.Device{}, feature.Usage(fmt.Errorf("%s has no policy that holds for a while", word),
			"`tunic devices` shows what each has, and until when")
	}
	d.Policy, d.Then, d.Until = d.Then, "", nil
	return d, f.forAWhile(ctx, func(t *temporary) { t.endPolicy(d.MAC) })
}

// forAWhile changes what is in force for a while.
func (f *Feature) forAWhile(ctx context.Context, change func(*temporary)) error {
	return f.edit(ctx, feature.Edit{Write: func() error { return nil }}, change)
}

// edit makes a change, together with one of what is in force for a while.
func (f *Feature) edit(ctx context.Context, e feature.Edit, change func(*temporary)) error {
	was, write := temporary{}, e.Write
	e.Files = append(e.Files, f.temporary.Path())
	e.Write = func() error {
		was = f.temporary.Get()
		if err := write(); err != nil {
			return err
		}
		return f.temporary.change(change)
	}
	e.Undo = func() error { f.temporary.Set(was); return nil }
	e.Fault = feature.Faults([]health.Code{health.RulesFailed})
	return f.host.Edit(ctx, e)
}

// permanent is the configuration without the policies that others stand in for
// at the moment.
func permanent(c *config.Config, t temporary) *config.Config {
	p := *c
	p.Devices = slices.DeleteFunc(slices.Clone(c.Devices), func(d config.Device) bool {
		_, replaced := t.policy(d.MAC)
		return replaced
	})
	return &p
}

// temporaryWords says in words what leaves the box outside Tor for a while.
func temporaryWords(c *config.Config, t temporary) []string {
	var words []string
	for _, p := range t.Policies {
		if outside(p.Policy) {
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
