package serve

import (
	"context"
	"crypto/rand"
	"net"

	"tunic/gateway/endpoint/pair"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/socks"
)

// newPeers prepares both sides of conversations with other boxes. Their dials
// share circuits with nothing else.
func newPeers(s *Server) {
	s.pair = &pair.Endpoint{Parent: s, Log: s.log, Met: s.metFriend}
	s.dialer = &pair.Dialer{Parent: s, Log: s.log, Met: s.metFriend, Reason: socks.Reason,
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
}
