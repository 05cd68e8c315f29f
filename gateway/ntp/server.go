// Package ntp tells the household's devices the time (RFC 5905, client and
// server mode only): UDP cannot pass Tor, and devices have time servers built
// in. Questions to any server are led here by the rules.
//
// It answers from the box's own clock and says so when that is not to be
// trusted. It steers no clock, speaks with no other server, keeps nothing of
// those who ask but how often they did, and never sends more bytes than it
// got. Use it in the unprivileged process; the sockets are given to it.
package ntp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"tunic/gateway/device"
)

// Options are what a Server is made of. Log and Clock are required.
type Options struct {
	// Devices says which device an address belongs to. nil means that each
	// network is one.
	Devices *device.Table

	Log   *slog.Logger
	Clock func() Clock // called for each answer
}

// Server answers questions for the time. Its methods may be called from
// several goroutines.
type Server struct {
	Options
	limit             *limiter
	answered, refused atomic.Uint64
}

// Stats counts questions since New.
type Stats struct {
	Answered uint64
	Refused  uint64 // beyond the limits, or no questions for the time
}

// New returns a Server. It fails if something required is missing.
func New(o Options) (*Server, error) {
	if o.Log == nil || o.Clock == nil {
		return nil, errors.New("making the time server: a logger and a clock are required")
	}
	if o.Devices == nil {
		o.Devices = new(device.Table)
	}
	return &Server{Options: o, limit: newLimiter()}, nil
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{Answered: s.answered.Load(), Refused: s.refused.Load()}
}

// readPause is how long Serve waits after an error of the socket.
const readPause = 100 * time.Millisecond

// Serve answers on pc, which may be bound to any address, until ctx ends; then
// it closes pc and returns nil.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	defer pc.Close()
	conn, err := wrap(pc)
	if err != nil {
		return fmt.Errorf("serving the time: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { pc.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 1024) // what is longer is cut; nothing beyond the header is read
	for {
		n, at, from, err := conn.read(buf)
		received := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("serving the time: %w", err)
		case err != nil: // such as a refusal that came back for an earlier answer
			s.Log.Debug("reading a question for the time failed", "error", err)
			time.Sleep(readPause)
			continue
		}
		reply := s.reply(buf[:n], from, received)
		if reply == nil {
			continue
		}
		if err := conn.write(reply, at, from); err != nil {
			s.Log.Debug("telling the time failed", "error", err)
		}
	}
}

// reply returns the answer to a packet, nil for none.
func (s *Server) reply(b []byte, from net.Addr, received time.Time) []byte {
	r, ok := parse(b)
	if !ok || !s.limit.allow(s.Devices.OfConn(from), received) {
		s.refused.Add(1)
		return nil
	}
	s.answered.Add(1)
	return r.answer(received, time.Now(), s.Clock())
}
