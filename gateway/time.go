package gateway

import (
	"time"

	"tunic/gateway/ntp"
	"tunic/gateway/relaytime"
)

// relayTime is what relays have said, if that is new enough.
func (g *Gateway) relayTime() *relaytime.Note {
	n, err := relaytime.ReadNote(g.Paths.Clock())
	if err != nil || !n.Fresh(ntp.SinceBoot()) {
		return nil // without it the clock is as uncertain as it was
	}
	return &n
}

// farStep is by how much a clock that was set leaves a tor behind. Set back, tor
// waits for the moments of its next tries, which are that far away; set forward,
// it believes that all it has is old.
const farStep = time.Hour

// followStep has other tors start when the clock was set far since the pass
// before, by whomever. Of a tor that has started meanwhile nobody knows on which
// side of the step.
func (a *attempt) followStep() {
	start := time.Now().Round(0).Add(-ntp.SinceBoot())
	moved := start.Sub(a.machineStart)
	known := !a.machineStart.IsZero()
	a.machineStart = start
	if !known || moved.Abs() < farStep || a.Tor.Status().PID == 0 {
		return
	}
	a.Log.Info("the clock was set, so tor is started again", "forward by", moved.Round(time.Second))
	a.Tor.Rest()
	a.Fast.Rest()
}

// certain is the time, or the zero time while it is not known well enough to
// sign anything: something keeps the clock, or relays told it, or tor builds
// circuits, which takes a consensus that is not over by this clock.
func (a *attempt) certain() time.Time {
	if a.in.Facts.ClockSynchronised || a.in.Facts.RelayTime != nil || a.Tor.Status().Circuits {
		return time.Now()
	}
	return time.Time{}
}
