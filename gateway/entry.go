package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Entry is what the box has of the programs and files without which tor cannot
// enter or leave the network as its owner wants.
type Entry struct {
	Plugins []tor.Plugin // of the bridges' transports
	GeoIP   tor.GeoIP
}

// FindEntry looks for them. The error joins a *tor.MissingTransportError for
// each transport and tor.ErrNoGeoIP; tor must not be started then: without the
// transport it could not enter, and without the bridges it must not.
func FindEntry(c *config.Config) (Entry, error) {
	var e Entry
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
func enterBy(spec *tor.Spec, c config.Tor, e Entry) {
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
func torRules(r *rules.Input, in Inputs) {
	switch c := in.Config.Tor; {
	case c.UsesTransport(snowflake):
		r.TorUDP = rules.AnyUDP
	case c.BridgeHosts() > 0:
		r.TorUDP = rules.NamesUDP
	}
	r.OverTor = in.Config.Tor.OverTor == config.OverTorPass
	if !r.OverTor {
		return
	}
	for _, o := range in.OverTor {
		atHome := slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(o.Device) })
		away := slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(o.Relay.Addr()) })
		if to := o.Relay.Addr(); atHome && !away && to.Is4() == o.Device.Is4() && to.IsGlobalUnicast() && !to.IsPrivate() {
			r.Passes = append(r.Passes, rules.Pass{From: o.Device, To: o.Relay})
		}
	}
}

// torExceptions are the owner's exceptions of [tor], in words. No bridge is named.
func torExceptions(c config.Tor) []string {
	var list []string
	if c.UsesTransport(snowflake) {
		list = append(list, "the bridges' transport snowflake sends UDP to hosts that its broker names, and asks the box's DNS server for names")
	} else if n := c.BridgeHosts(); n > 0 {
		list = append(list, fmt.Sprintf("the names of %d bridges are asked of the box's DNS server", n))
	}
	if c.OverTor == config.OverTorPass {
		list = append(list, "devices that use Tor themselves reach public relays directly (over-tor = pass)")
	}
	return list
}

// lookForTor learns what tor's settings depend on.
func (a *attempt) lookForTor() {
	a.in.Entry, a.missing = FindEntry(a.in.Config)
	seen := a.Tor.Status()
	a.in.OverTor, a.in.Full = seen.OverTor, seen.Full
	if err := a.Backend(); err != nil {
		a.find(health.RulesMixed, "", "%v", err)
	}
}

// giveTor hands tor its state, unless something is missing without which tor
// would do something else than its owner wants.
func (a *attempt) giveTor(apply func() error) error {
	if a.missing != nil {
		return a.missing
	}
	return apply()
}

// bridgeFindings name the bridges that tor does not get to by their places in
// the list: what they are is a secret.
func bridgeFindings(c config.Tor, unreached func(fingerprint string) bool) []health.Finding {
	var list []health.Finding
	for i, b := range c.Bridges {
		if b.Fingerprint != "" && unreached(b.Fingerprint) { // tor counts by it
			list = append(list, health.New(health.BridgeUnreached, fmt.Sprintf("bridge %d", i+1),
				fmt.Sprintf("bridge %d of the %d in [tor] bridges (%s) is not reached: tor has tried several times", i+1, len(c.Bridges), b.TransportName())))
		}
	}
	return list
}

// entryCode returns the code for an error of FindEntry.
func entryCode(err error) (health.Code, bool) {
	switch {
	case errors.As(err, new(*tor.MissingTransportError)):
		return health.TransportMissing, true
	case errors.Is(err, tor.ErrNoGeoIP):
		return health.GeoIPMissing, true
	}
	return "", false
}

// overTorFindings tells, for each device that uses Tor itself, what became of
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
			fmt.Sprintf("%s uses Tor itself: %d of its connections, to %d of the public relays, %s in the last day", name, n, relays[name], what)))
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

// redacted hides what bridge lines say in lines of a plan.
func redacted(lines []string) []string {
	for i, line := range lines {
		sign, text, ok := strings.Cut(line, " torrc ")
		if ok {
			lines[i] = sign + " torrc " + tor.Redact(text)
		}
	}
	return lines
}
