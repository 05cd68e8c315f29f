package household

import (
	"cmp"
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
	"tunic/gateway/tor"
	"tunic/rules"
)

// How long a portal stays open: unless its owner says so, and at most.
const (
	defaultPortal = 10 * time.Minute
	LongestPortal = time.Hour
)

// Portal opens the way to the log-in page of the network in front of the box,
// for one device, or closes it. It works in a household that is closed, as one
// is that Tor cannot be reached from.
func (f *Feature) Portal(ctx context.Context, r api.PortalRequest) (api.Portal, error) {
	p, err := parsePortal(r)
	if err != nil {
		return api.Portal{}, err
	}
	d, err := f.Find(ctx, r.Device)
	if err != nil {
		return api.Portal{}, err
	}
	p.MAC = d.MAC
	if r.Close {
		return portalAnswer(d, p), f.forAWhile(ctx, func(t *temporary) { t.endPortal(d.MAC) })
	}
	if err := f.allowPortal(d, &p); err != nil {
		return api.Portal{}, err
	}
	p.Span = feature.NewSpan(f.temporary.now(), min(cmp.Or(r.For, defaultPortal), LongestPortal))
	if err := f.forAWhile(ctx, func(t *temporary) { t.setPortal(p) }); err != nil {
		return api.Portal{}, err
	}
	return portalAnswer(d, p), nil
}

// parsePortal checks the words of a request.
func parsePortal(r api.PortalRequest) (openPortal, error) {
	var p openPortal
	if err := api.CheckSpan(r.For, LongestPortal); r.For != 0 && err != nil {
		return p, feature.Usage(fmt.Errorf("--for: %w", err), "example: tunic portal phone --for 10m")
	}
	for _, text := range r.To {
		prefix, err := parsePrefix(text)
		if err != nil {
			return p, feature.Usage(err, "example: tunic portal phone --to 10.0.0.0/24")
		}
		p.To = append(p.To, prefix)
	}
	if r.Resolver != "" {
		a, err := netip.ParseAddr(r.Resolver)
		if err != nil || !reachable(a) {
			return p, feature.Usage(fmt.Errorf("%q is not the address of a DNS server", r.Resolver),
				"example: tunic portal phone --resolver 10.0.0.1")
		}
		p.Resolvers = []netip.Addr{a.Unmap()}
	}
	return p, nil
}

// parsePrefix takes a network or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q is neither an address nor a network", text)
	}
	return p.Masked(), nil
}

// reachable reports whether another host can have that address.
func reachable(a netip.Addr) bool {
	return a.Zone() == "" && (a.IsGlobalUnicast() || a.IsLinkLocalUnicast() && a.Is4())
}

// allowPortal refuses what would not help or must not be, and finds the
// network's DNS server.
func (f *Feature) allowPortal(d api.Device, p *openPortal) error {
	if f.host.Now().Lockdown {
		return feature.Usage(errors.New("the household is closed because lockdown was asked for"), "`tunic reload` ends that")
	}
	if d.Policy == string(config.PolicyBlock) {
		return feature.Usage(fmt.Errorf("%s is blocked", cmp.Or(d.Name, d.MAC)), "give it another policy first: tunic device")
	}
	p.UntilTor = !connected(f.Tor.Status())
	if len(p.Resolvers) == 0 {
		p.Resolvers = oneOfEach(f.System.Resolvers())
	}
	if len(p.Resolvers) == 0 {
		return feature.Usage(errors.New("this box was told of no DNS server by the network in front of it"),
			"name it, it is often the network's router: tunic portal "+cmp.Or(d.Name, d.MAC)+" --resolver ADDRESS")
	}
	return nil
}

// oneOfEach returns the first address of each family that other hosts can reach.
func oneOfEach(all []netip.Addr) []netip.Addr {
	var found []netip.Addr
	for _, a := range all {
		same := func(b netip.Addr) bool { return b.Is4() == a.Is4() }
		if a = a.Unmap(); reachable(a) && !slices.ContainsFunc(found, same) {
			found = append(found, a)
		}
	}
	return found
}

func portalAnswer(d api.Device, p openPortal) api.Portal {
	a := api.Portal{MAC: d.MAC, Name: d.Name, Until: p.Until, UntilTor: p.UntilTor, Resolvers: []string{}, To: []string{}}
	for _, r := range p.Resolvers {
		a.Resolvers = append(a.Resolvers, r.String())
	}
	for _, to := range p.To {
		a.To = append(a.To, to.String())
	}
	return a
}

func connected(s tor.Status) bool { return s.Running && s.Bootstrap == 100 && s.Circuits && s.Live }

// endPortals ends the portals that have done their work, which is when Tor is
// connected, and all of them in lockdown. One that was opened while Tor was
// connected already stays until its time is over.
func (f *Feature) endPortals(now temporary, s *feature.Scene, r *feature.Report) temporary {
	done := func(p openPortal) bool { return s.Lockdown || p.UntilTor && connected(f.Tor.Status()) }
	if slices.ContainsFunc(now.Portals, done) {
		err := f.temporary.change(func(t *temporary) { t.Portals = slices.DeleteFunc(slices.Clone(t.Portals), done) })
		if err != nil {
			r.Find(health.TemporaryUnusable, "", "%v", err)
		}
		now.Portals = slices.DeleteFunc(slices.Clone(now.Portals), done)
	}
	for _, p := range now.Portals {
		name := s.Config.NameOf(p.MAC)
		r.Find(health.PortalOpen, name, "the device %s reaches web pages outside Tor until %s", name, clock(p.Until))
	}
	return now
}

// guests are the portals as the rules see them.
func guests(t temporary) []rules.Guest {
	var list []rules.Guest
	for _, p := range t.Portals {
		list = append(list, rules.Guest{MAC: p.MAC, To: p.To, Resolvers: p.Resolvers})
	}
	return list
}
