// Package gopher is the box's Gopher server (RFC 1436) as a feature: friends reach
// it at the home onion (config.AllOnions), the household at port 70 of the box.
package gopher

import (
	"context"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// port is where Gopher is expected.
const port = 70

// Feature keeps nothing between passes.
type Feature struct{}

var _ feature.Feature = Feature{}

// Name implements feature.Feature.
func (Feature) Name() string { return "gopher" }

// Look implements feature.Feature; nothing has to be looked for.
func (Feature) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Always(want)
}

func want(s feature.Scene, d *feature.Desired) {
	if root, ok := s.Config.Gopher(); ok {
		g := &link.Gopher{Root: root,
			Listeners: d.Door(s, feature.Door{Name: "gopher", Public: port, Internal: config.ServeGopherPort})}
		for _, p := range s.Config.Peers {
			g.Friends = append(g.Friends, link.ServiceFriend{Onion: link.Key(peer.KeyOf(onion.Address(p.Onion))), Name: p.Name})
		}
		d.Serve.Gopher = g
	}
}
