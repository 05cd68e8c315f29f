package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"tunic/gateway/link"
	"tunic/gateway/ntp"
)

// timeServer tells devices the time.
type timeServer struct {
	*ntp.Server
	trusted atomic.Bool // the parent's word
}

func newTimeServer(s *Server) (*timeServer, error) {
	t := &timeServer{}
	var err error
	t.Server, err = ntp.New(ntp.Options{Log: s.log, Clock: t.clock})
	return t, err
}

// clock is the kernel's word of now, and never better than the parent's.
func (t *timeServer) clock() ntp.Clock {
	c, err := ntp.KernelClock()
	c.Trusted = c.Trusted && err == nil && t.trusted.Load()
	return c
}

// time runs the time server on its listeners.
func (a *application) time(want *link.NTP) {
	a.clock.trusted.Store(want != nil && want.Trusted)
	if want == nil {
		return
	}
	for _, name := range want.Listeners {
		a.run(name, "ntp", a.serveTime)
	}
}

func (s *Server) serveTime(ctx context.Context, f *os.File) error {
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return fmt.Errorf("taking over the UDP socket: %w", err)
	}
	return s.clock.Serve(ctx, pc)
}
