package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"slices"

	"tunic/gateway/away"
	"tunic/gateway/endpoint/pair"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/socks"
)

// newPeers prepares both sides of conversations with other boxes. Their dials
// share circuits with nothing else.
func newPeers(s *Server) {
	s.gate = away.New()
	s.pair = &pair.Endpoint{Parent: s, Log: s.log, Met: s.heardFriend}
	s.dialer = &pair.Dialer{Parent: s, Log: s.log, Met: s.metFriend, Reason: reason, Gate: s.gate,
		Dial: func(ctx context.Context, host string, port uint16, fresh bool) (net.Conn, error) {
			return s.socks.DialOnion(ctx, isolation("pair", fresh), host, port)
		}}
}

// isolation names the circuits of an endpoint's dials to tor: its own, or for a
// fresh dial some that are nobody else's. What hung on a circuit hangs on it again.
func isolation(endpoint string, fresh bool) string {
	if fresh {
		return rand.Text()
	}
	return endpoint
}

// reason says in words why a friend's box was not reached.
func reason(err error) string {
	if errors.Is(err, away.ErrAway) {
		return err.Error()
	}
	return socks.Reason(err)
}

// turn has mail for a friend's box dial when it is its turn. Who is reached by it
// and was thought away is told hello.
func (s *Server) turn(ctx context.Context, key onion.Address, dial func() error) error {
	away := s.gate.Away(key)
	err := s.gate.Dial(ctx, key, dial)
	if err == nil && away {
		s.dialer.Call(peer.KeyOf(key))
	}
	return err
}

// heardFriend is called when a friend's box has called us. One that was thought
// away is called back, so that its state is known.
func (s *Server) heardFriend(who peer.Key) {
	if s.gate.Called(who.Address()) {
		s.dialer.Call(who)
	}
	s.metFriend(who)
}

// metFriend is called when a friend's box was heard of: what waits for it can
// be delivered now.
func (s *Server) metFriend(who peer.Key) {
	if p := s.smtp.get(); p != nil {
		p.Hello(who.Address())
	}
}

var noPeers = link.Peers{}

func (a *application) peers(want *link.Peers) {
	if want == nil {
		want = &link.Peers{}
	}
	a.pair.Set(*want)
	a.dialer.Set(a.ctx, *want)
	a.gate.Keep(func(who onion.Address) bool {
		key := link.Key(peer.KeyOf(who))
		return slices.ContainsFunc(want.Friends, func(f link.Friend) bool { return f.Onion == key }) ||
			slices.ContainsFunc(want.Calls, func(c link.Call) bool { return c.Onion == key })
	})
}
