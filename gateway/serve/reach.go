package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/socks"
)

const (
	// connectTimeout bounds how long tor may take for an onion: it tries its
	// introduction points one after the other.
	connectTimeout = 45 * time.Second
	// exchangeTimeout is many round trips of a slow circuit.
	exchangeTimeout = 20 * time.Second
	// maxCalls bounds the ports of one onion that are called: all of them share
	// the way up to the front.
	maxCalls = 16
)

// reach finds out whether an onion can be reached.
func (s *Server) reach(ctx context.Context, m link.Trial) (reached link.Reached, err error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.wished, func(f link.Front) bool { return f.Onion == m.Onion })
	var want link.Front
	if i >= 0 {
		want = s.wished[i]
	}
	running := s.fronts[m.Onion]
	s.mu.Unlock()
	if i < 0 || running == nil {
		return reached, fmt.Errorf("the onion %s is not served", m.Onion)
	}
	reached.Ports = s.look(ctx, want, true)
	if m.Call {
		reached.Calls = s.callAll(ctx, running.Front, want)
	}
	return reached, nil
}

// callAll calls the ports of an onion on one circuit that nobody has used
// before. Circuits fail now and then, so a call that fails is made once more
// on another; when that fails too, the other ports have failed with it.
func (s *Server) callAll(ctx context.Context, f *onion.Front, want link.Front) (calls []link.OwnCall) {
	isolation := rand.Text()
	for _, p := range want.Ports[:min(len(want.Ports), maxCalls)] {
		if n := len(calls); n > 0 && calls[n-1].Error != "" {
			last := calls[n-1]
			last.Virtual = p.Virtual
			calls = append(calls, last)
			continue
		}
		c := s.call(ctx, f, want.Host, p.Virtual, isolation)
		if c.Error != "" && ctx.Err() == nil {
			isolation = rand.Text()
			c = s.call(ctx, f, want.Host, p.Virtual, isolation)
		}
		calls = append(calls, c)
	}
	return calls
}

// call goes out through Tor and wants to arrive at our own front.
func (s *Server) call(ctx context.Context, f *onion.Front, host string, port uint16, isolation string) link.OwnCall {
	begin := time.Now()
	elsewhere, err := s.exchange(ctx, f, host, port, isolation)
	c := link.OwnCall{Virtual: port, At: begin, Took: time.Since(begin), Elsewhere: elsewhere}
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

func (s *Server) exchange(ctx context.Context, f *onion.Front, host string, port uint16, isolation string) (elsewhere bool, err error) {
	call, done := f.Expect(port)
	defer done()
	dialCtx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := s.socks.DialOnion(dialCtx, isolation, host, port)
	if err != nil {
		return false, errors.New(socks.Reason(err))
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	c.SetDeadline(time.Now().Add(exchangeTimeout))
	err = call.Exchange(c)
	switch {
	case errors.Is(err, onion.ErrElsewhere):
		return true, errors.New("another box answers at this address")
	case err != nil:
		return false, errors.New("tor connected, but nothing came through")
	}
	return false, nil
}
