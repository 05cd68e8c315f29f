package gateway

import (
	"context"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

var _ feature.Host = (*Gateway)(nil)

// Do implements feature.Host.
func (g *Gateway) Do(ctx context.Context, f func(context.Context) error) error { return g.do(ctx, f) }

// Edit implements feature.Host.
func (g *Gateway) Edit(ctx context.Context, e feature.Edit) error {
	return g.do(ctx, func(ctx context.Context) error { return g.edit(ctx, e) })
}

// Adopt implements feature.Host.
func (g *Gateway) Adopt(change func(config.Config) config.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := change(*g.current.config)
	g.current.config = &c
}

// Rules implements feature.Host.
func (g *Gateway) Rules(ctx context.Context, change func(*rules.Input)) error {
	return g.do(ctx, func(ctx context.Context) error {
		in := g.snapshot().desired.Rules
		if !g.opened || g.held || in.Mode != rules.Open {
			return feature.ErrClosed
		}
		change(&in)
		return g.applyRules(ctx, in)
	})
}

// Now implements feature.Host.
func (g *Gateway) Now() feature.Now {
	v := g.snapshot()
	now := feature.Now{Scene: v.in.Scene, Desired: v.desired, Rules: v.rules, Open: v.state == api.Open, Why: v.why}
	now.Config, now.Paths, now.Addresses = v.config, g.Paths, v.in.Addresses
	return now
}
