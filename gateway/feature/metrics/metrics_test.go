package metrics

import (
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// Nobody can ask unless the owner says who.
func TestWhoMayAsk(t *testing.T) {
	for who, listeners := range map[config.Metrics][]string{
		config.MetricsOff:       nil,
		config.MetricsLoopback:  {"metrics/tcp4", "metrics/tcp6"},
		config.MetricsHousehold: {"metrics/br-lan#4/tcp4", "metrics/br-lan#4/tcp6"},
	} {
		s := feature.Scene{Config: &config.Config{Gateway: config.Gateway{Metrics: who}},
			Facts: feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}}}
		var d feature.Desired
		want(s, &d)
		if (d.Serve.Metrics != nil) != (listeners != nil) || d.Serve.Metrics != nil && !slices.Equal(d.Serve.Metrics.Listeners, listeners) {
			t.Errorf("%s: %+v", who, d.Serve.Metrics)
		}
		if got := len(d.Rules.Services) > 0; got != (who == config.MetricsHousehold) {
			t.Errorf("%s: devices reach it: %v", who, got)
		}
		for _, l := range d.Listeners {
			if who == config.MetricsLoopback && !l.Addr.IsLoopback() {
				t.Errorf("%+v is not on loopback", l)
			}
		}
	}
}
