// Package metrics is the page of numbers that Prometheus collects, as a feature:
// on loopback or for the household, where the owner asks for it.
package metrics

import (
	"context"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
)

// Feature keeps nothing between passes.
type Feature struct{}

var _ feature.Feature = Feature{}

// Name implements feature.Feature.
func (Feature) Name() string { return "metrics" }

// Look implements feature.Feature; nothing has to be looked for.
func (Feature) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Always(want)
}

func want(s feature.Scene, d *feature.Desired) {
	switch s.Config.Gateway.Metrics {
	case config.MetricsLoopback:
		d.Serve.Metrics = &link.Metrics{}
		for _, family := range feature.LoopbackFamilies(s.Facts.IPv6) {
			d.Serve.Metrics.Listeners = append(d.Serve.Metrics.Listeners, d.ListenLoopback("metrics", "tcp"+family, config.MetricsPort))
		}
	case config.MetricsHousehold:
		d.Serve.Metrics = &link.Metrics{
			Listeners: d.Door(s, feature.Door{Name: "metrics", Public: config.MetricsPort, Internal: config.ServeMetricsPort})}
	}
}
