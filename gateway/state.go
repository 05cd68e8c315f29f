package gateway

import (
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/rules"
)

// snapshot is what the last pass left for Status.
type snapshot struct {
	config   *config.Config
	in       desire.Inputs // what desired was computed from, with what is in force for a while
	state    api.State
	why      string
	findings []health.Finding
	desired  feature.Desired
	rules    rules.Ruleset // in force
	worked   bool          // everything has, once
	said     string        // to the service manager
}

func (g *Gateway) snapshot() snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}
