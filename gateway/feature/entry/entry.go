// Package entry is how tor enters and leaves the network as its owner wants:
// bridges and their transports, countries of exits, and devices that use Tor
// themselves.
package entry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Feature keeps nothing between passes.
type Feature struct{}

var (
	_ feature.Feature  = Feature{}
	_ feature.Checker  = Feature{}
	_ feature.Reporter = Feature{}
)

// Name implements feature.Feature.
func (Feature) Name() string { return "entry" }

// Look implements feature.Feature.
func (Feature) Look(_ context.Context, s *feature.Scene, _ *feature.Report) feature.Wish {
	files, missing := Find(s.Config)
	return feature.Want(want, found{files, missing})
}

// found is what the wish depends on beside the scene.
type found struct {
	files   Files
	missing error
}

// want wants a tor that enters the network as its owner says.
func want(s feature.Scene, d *feature.Desired, f found) {
	enterBy(&d.Tor, s.Config.Tor, f.files)
	torRules(&d.Rules, s)
	d.NoTor = f.missing
}

// Check implements feature.Checker.
func (Feature) Check(_ context.Context, s feature.Scene) error {
	if err := CheckSnippets(s.Paths, s.Config); err != nil {
		return err
	}
	_, err := Find(s.Config)
	return err
}

// Report implements feature.Reporter.
func (Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Leaks = append(status.Leaks, exceptions(s.Config.Tor)...)
	status.Findings = slices.Concat(status.Findings, silentBridges(s.Config.Tor, s.TorNow.Unreached),
		overTorFindings(s.TorNow.OverTor, status.Household.Devices, s.Config))
}

// Files are what the box has of the programs and files without which tor cannot
// enter or leave the network as its owner wants.
type Files struct {
	Plugins []tor.Plugin // of the bridges' transports
	GeoIP   tor.GeoIP
}

// Find looks for them. The error joins a *tor.MissingTransportError for
// each transport and tor.ErrNoGeoIP; tor must not be started then: without the
// transport it could not enter, and without the bridges it must not.
func Find(c *config.Config) (Files, error) {
	var e Files
	var errs []error
	for _, name := range c.Tor.TransportsUsed() {
		p, err := tor.FindTransport(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.Plugins = append(e.Plugins, p)
	}
	if len(c.Tor.Exits) > 0 {
		var err error
		if e.GeoIP, err = tor.FindGeoIP(); err != nil {
			errs = append(errs, err)
		}
	}
	return e, errors.Join(errs...)
}

// enterBy adds to tor's state how it enters and leaves the network.
func enterBy(spec *tor.Spec, c config.Tor, e Files) {
	for _, b := range c.Bridges {
		spec.Bridges = append(spec.Bridges, tor.Bridge{Transport: b.Transport, Line: b.Line()})
	}
	spec.Plugins = e.Plugins
	for _, country := range c.Exits {
		if country.Exclude {
			spec.Exits.Exclude = append(spec.Exits.Exclude, country.Code)
		} else {
			spec.Exits.Only = append(spec.Exits.Only, country.Code)
		}
	}
	spec.Exits.GeoIP = e.GeoIP
	spec.IsolateDestinations = c.ByDest
}

// snowflake is the transport that speaks UDP with hosts that nobody knows before.
const snowflake = "snowflake"

// torRules adds to the rules what tor's uid may send, and which devices may
// reach relays by themselves.
func torRules(r *rules.Input, s feature.Scene) {
	switch c := s.Config.Tor; {
	case c.UsesTransport(snowflake):
		r.Carriers[0].UDP = rules.AnyUDP
	case c.BridgeHosts() > 0:
		r.Carriers[0].UDP = rules.NamesUDP
	}
	r.OverTor = s.Config.Tor.OverTor == config.OverTorPass
	if !r.OverTor {
		return
	}
	for _, o := range s.TorNow.OverTor {
		atHome := slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(o.Device) })
		away := slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(o.Relay.Addr()) })
		if to := o.Relay.Addr(); atHome && !away && to.Is4() == o.Device.Is4() && to.IsGlobalUnicast() && !to.IsPrivate() {
			r.Passes = append(r.Passes, rules.Pass{From: o.Device, To: o.Relay})
		}
	}
}

// exceptions are the owner's exceptions of [tor], in words. No bridge is named.
func exceptions(c config.Tor) []string {
	var list []string
	if c.UsesTransport(snowflake) {
		list = append(list, "the bridges' transport snowflake sends UDP to hosts that its broker names, and asks the box's DNS server "+
			"for names")
	} else if n := c.BridgeHosts(); n > 0 {
		list = append(list, fmt.Sprintf("the names of %d bridges are asked of the box's DNS server", n))
	}
	if c.OverTor == config.OverTorPass {
		list = append(list, "devices that use Tor themselves reach public relays directly (over-tor = pass)")
	}
	return list
}

// silentBridges names the bridges that tor does not get to by their places in the
// list: what they are is a secret.
func silentBridges(c config.Tor, unreached func(fingerprint string) bool) (list []health.Finding) {
	for i, b := range c.Bridges {
		if b.Fingerprint != "" && unreached(b.Fingerprint) { // tor counts by it
			list = append(list, health.New(health.BridgeUnreached, fmt.Sprintf("bridge %d", i+1),
				fmt.Sprintf("bridge %d of the %d in [tor] bridges (%s) does not answer",
					i+1, len(c.Bridges), b.TransportName())))
		}
	}
	return list
}

// overTorFindings tells, for each device that uses Tor itself, what happened to
// it. The relays stay out: they are where the device goes.
func overTorFindings(seen []tor.OverTor, devices []api.Device, c *config.Config) []health.Finding {
	counts, relays := make(map[string]int), make(map[string]int)
	for _, o := range seen {
		name := deviceName(o.Device, devices)
		counts[name] += o.Count
		relays[name]++
	}
	what := "were refused"
	if c.Tor.OverTor == config.OverTorPass {
		what = "were refused before they were let through directly"
	}
	var list []health.Finding
	for name, n := range counts {
		list = append(list, health.New(health.TorOverTor, name,
			fmt.Sprintf("%s uses Tor itself: %d of its connections, to %d of the public relays, %s in the last day",
				name, n, relays[name], what)))
	}
	slices.SortFunc(list, func(a, b health.Finding) int { return cmp.Compare(a.Text, b.Text) })
	return list
}

// deviceName is what the household calls the device with that address.
func deviceName(addr netip.Addr, devices []api.Device) string {
	for _, d := range devices {
		if slices.Contains(d.Addresses, addr.String()) {
			return "the device " + cmp.Or(d.Name, d.MAC)
		}
	}
	return "the device at " + addr.String()
}
