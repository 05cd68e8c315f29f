package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/ntp"
	"tunic/gateway/relaytime"
)

// timeServer tells devices the time.
type timeServer struct {
	devices, own *ntp.Server
	want         atomic.Pointer[link.NTP] // the parent's word; never nil
}

func newTimeServer(s *Server) (*timeServer, error) {
	t := &timeServer{}
	t.want.Store(&link.NTP{})
	var err, ownErr error
	t.devices, err = ntp.New(ntp.Options{Log: s.log, Devices: s.Devices, Clock: t.clock})
	t.own, ownErr = ntp.New(ntp.Options{Log: s.log, Devices: s.Devices, Clock: t.relays})
	return t, errors.Join(err, ownErr)
}

// clock is what devices are told: the box's clock, if the kernel says that
// somebody keeps it, else what relays say. It is never better than the parent's
// word.
func (t *timeServer) clock() ntp.Clock {
	if !t.want.Load().Trusted {
		return ntp.Clock{}
	}
	if c, err := ntp.KernelClock(); err == nil && c.Trusted {
		return c
	}
	return t.relays()
}

// relays is what the box's own NTP client is told, by which it keeps the clock:
// never that clock.
func (t *timeServer) relays() ntp.Clock {
	told := t.want.Load().Relays
	if told == nil {
		return ntp.Clock{}
	}
	boot := ntp.SinceBoot()
	n := relaytime.Note{Start: told.Start, Error: told.Error, Boot: told.Boot, Count: 1}
	return ntp.Clock{Trusted: n.Fresh(boot), MaxError: n.MaxError(boot), Behind: time.Until(n.Now(boot))}
}

// time runs the time servers on their listeners.
func (a *application) time(want *link.NTP) {
	if want == nil {
		want = &link.NTP{}
	}
	a.clock.want.Store(want)
	for _, name := range want.Listeners {
		a.run(name, "ntp", a.serveTime(a.clock.devices))
	}
	for _, name := range want.Own {
		a.run(name, "ntp", a.serveTime(a.clock.own))
	}
}

func (s *Server) serveTime(told *ntp.Server) func(context.Context, *os.File) error {
	return func(ctx context.Context, f *os.File) error {
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return fmt.Errorf("taking over the UDP socket: %w", err)
		}
		return told.Serve(s.untilShut(ctx), pc)
	}
}
