package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"net"

	"tunic/gateway/endpoint/pair"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/socks"
)

// keeper asks the parent about other boxes: it has the keys and the memory.
type keeper struct{ questions[link.Paired] }

// Pair implements pair.Parent.
func (k *keeper) Pair(ctx context.Context, p link.Pairing) (link.Paired, error) {
	return understood(k.ask(ctx, func(id uint64) link.Message { p.ID = id; return p }))
}

// Seen implements pair.Parent.
func (k *keeper) Seen(ctx context.Context, s link.Seen) error {
	_, err := understood(k.ask(ctx, func(id uint64) link.Message { s.ID = id; return s }))
	return err
}

// understood makes an error of a reply that is none.
func understood(reply link.Paired, err error) (link.Paired, error) {
	switch {
	case err != nil:
	case reply.Refusal != 0:
		err = peer.Refusal(reply.Refusal)
	case reply.Error != "":
		err = errors.New(reply.Error)
	}
	return reply, err
}

// newPeers prepares both sides of conversations with other boxes. Their dials
// share circuits with nothing else.
func newPeers(s *Server) {
	s.pair = &pair.Endpoint{Parent: &s.keeper, Log: s.log, Met: s.metFriend}
	s.dialer = &pair.Dialer{Parent: &s.keeper, Log: s.log, Met: s.metFriend, Reason: socks.Reason,
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
	if p := s.post.get(); p != nil {
		p.Hello(who.Address())
	}
}

func (a *application) peers(want *link.Peers) {
	if want == nil {
		want = &link.Peers{}
	}
	a.pair.Set(*want)
	a.dialer.Set(a.ctx, *want)
}
