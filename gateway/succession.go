package gateway

import (
	"context"
	"fmt"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/succession"
	"tunic/rules"
)

// Succession is the place that this daemon is to take.
type Succession struct {
	Was succession.State // how the household stands
	// Works tells the daemon that has the place that this one works as well, and
	// returns when it has let go.
	Works func(ctx context.Context) error
}

// trialAgain is the pause between passes while another daemon waits for this one.
const trialAgain = 300 * time.Millisecond

// inherit begins where the other daemon is.
func (g *Gateway) inherit(was succession.State) {
	g.opened, g.held = was.Open, was.Held
	g.lastOpen, g.last = was.LastOpen, was.Last
	g.current.in.Facts = was.Facts
	if was.Open {
		g.current.state, g.current.why = api.Open, ""
	}
}

// stands is how the household stands after a pass.
func (g *Gateway) stands() succession.State {
	v := g.snapshot()
	return succession.State{Version: g.Version, Open: g.opened, Held: g.held, Done: g.done, Faults: succession.Faults(v.findings),
		Facts: v.in.Facts, LastOpen: g.lastOpen, Last: g.last}
}

// succeed takes the other daemon's place if all is as good as before.
func (g *Gateway) succeed(ctx context.Context) error {
	if g.Heir == nil {
		return nil
	}
	if worse := g.Heir.Was.Worse(g.stands()); worse != "" {
		g.Log.Info("this version does not work as well as the one that runs yet", "because", worse)
		return nil
	}
	if err := g.Heir.Works(ctx); err != nil {
		return fmt.Errorf("taking the place of the version that runs: %w", err)
	}
	g.Heir = nil
	g.Notify("READY=1")
	g.notify(ctx)
	return nil
}

// Rest stops the loop until goOn is called, or ctx ends: another daemon is about to
// take its place. What that one has done to the rules the loop then undoes.
func (g *Gateway) Rest(ctx context.Context) (was succession.State, goOn func(), err error) {
	stopped, on := make(chan struct{}), make(chan struct{})
	rest := func(loop context.Context) {
		was = g.stands()
		close(stopped)
		select {
		case <-on:
		case <-loop.Done():
		}
		g.applied, g.looked = rules.Ruleset{}, rules.Ruleset{}
		g.Wake()
	}
	select {
	case g.requests <- rest:
		<-stopped
		return was, func() { close(on) }, nil
	case <-ctx.Done():
		return was, nil, ctx.Err()
	}
}
