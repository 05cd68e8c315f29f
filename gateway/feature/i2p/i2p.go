// Package i2p is a second network beside Tor, as a feature: i2pd, which reaches the
// internet through Tor alone, the addresses that its names have in this house, and what is
// published by it.
package i2p

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	router "tunic/gateway/i2p"
	"tunic/gateway/link"
	"tunic/rules"
)

// Feature keeps nothing between passes.
type Feature struct{}

var _ feature.Feature = Feature{}

// Name implements feature.Feature.
func (Feature) Name() string { return "i2p" }

// Look implements feature.Feature. It makes the directories of i2pd.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if !s.Config.I2P.Enabled {
		return feature.Wish{}
	}
	r.NeedUser(s.I2P, "i2pd", config.I2PUser, "there is no I2P")
	within, ok := Range(s.Ranges, slices.Concat(s.Local, s.Config.Household.Prefixes))
	if !ok {
		r.Find(health.I2PUnusable, "", "I2P: every /16 of 10.128.0.0/9 overlaps a local network, so its names can have no addresses")
	}
	if s.I2P == (feature.IDs{}) || !ok {
		return feature.Wish{}
	}
	if err := prepare(*s); err != nil {
		r.Find(health.I2PUnusable, "", "I2P: %v", err)
		return feature.Wish{}
	}
	if confined(s.Paths) {
		r.Find(health.I2PConfined, "i2pd", "AppArmor keeps i2pd from the files that tunic has for it: %s", permission(s.Paths))
	}
	published := look(*s, r)
	return feature.Want(want, found{within, published})
}

// prepare makes the directories: i2pd passes to its own, and no other user does.
func prepare(s feature.Scene) error {
	if s.Foreseen {
		return nil
	}
	for _, dir := range []string{s.Paths.I2P(), s.Paths.I2PKeys()} {
		err := durable.MkdirAll(dir, 0o710)
		if err == nil {
			err = os.Chown(dir, os.Geteuid(), group(s))
		}
		if err != nil {
			return fmt.Errorf("making the directories of i2pd: %w", err)
		}
	}
	return nil
}

// group is that of i2pd, or the daemon's own where it can give nothing away.
func group(s feature.Scene) int {
	if os.Geteuid() != 0 {
		return os.Getegid()
	}
	return int(s.I2P.GID)
}

// found is what the wish depends on beside the scene.
type found struct {
	within    netip.Prefix // where names of I2P have addresses
	published []published
}

// want wants the router, and the household's way to it.
func want(s feature.Scene, d *feature.Desired, f found) {
	within := f.within
	settings := router.Settings{Dir: s.Paths.Server("i2pd"), Router: s.Paths.I2PRouter(), Keys: s.Paths.I2PKeys(),
		UID: s.I2P.UID, GID: s.I2P.GID, SOCKS: config.Loopback(config.I2PDPort), Tor: config.Loopback(config.SocksPort)}
	for _, l := range s.Config.I2P.Lines {
		settings.Lines = append(settings.Lines, l.Key+" = "+l.Value)
	}
	settings.Tunnels = publish(s, d, f.published)
	d.Servers = append(d.Servers, settings.Spec())
	d.May(s.I2P, feature.OnLoopback(rules.ProtocolTCP, config.SocksPort))
	d.May(s.Serve, feature.OnLoopback(rules.ProtocolTCP, config.I2PDPort))
	d.Rules.Networks = append(d.Rules.Networks, rules.Network{Range: within, Port: config.ServeI2PPort})
	d.Serve.DNS.I2P, d.Serve.I2P = within, &link.I2P{}
	d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
		if family == "4" {
			d.Serve.I2P.Listeners = append(d.Serve.I2P.Listeners, d.Listen("i2p", i, "tcp4", config.ServeI2PPort))
		}
	})
}

// Range is where names of I2P have addresses: the first /16 after that of the onions, in
// 10.128.0.0/9, that no network of the box lies in. It needs not be kept, as devices
// believe such an address for a minute alone.
func Range(r feature.Ranges, local []netip.Prefix) (netip.Prefix, bool) {
	if !r.Virtual4.IsValid() {
		return netip.Prefix{}, false
	}
	const first, last = 128, 255
	second := int(r.Virtual4.Addr().As4()[1])
	for i := range last - first {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(first + (second-first+1+i)%(last-first+1))}), 16)
		if _, bad := (feature.Ranges{Virtual4: p, Virtual6: r.Virtual6}).Overlap(local); !bad && !p.Overlaps(r.Virtual4) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
