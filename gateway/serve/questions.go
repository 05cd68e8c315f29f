package serve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

var errNoParent = errors.New("the parent has gone away")

// ask asks the parent, which has the keys, the rules and the memory.
func ask[Q, A any](ctx context.Context, s *Server, v link.Verb[Q, A], question Q) (answer A, err error) {
	parent := s.parent.Load()
	if parent == nil {
		return answer, errNoParent
	}
	return link.Ask(ctx, parent, v, question)
}

// grant waits until the parent has let a device through to addresses, or ctx ends.
func (s *Server) grant(ctx context.Context, device netip.Addr, domain string, addrs []netip.Addr, ttl time.Duration) error {
	_, err := ask(ctx, s, link.LetThrough, link.Grant{Device: device, Domain: domain, Addrs: addrs, TTL: ttl})
	return refused(err)
}

// sign has the parent sign mail: serve has no onion's key.
func (s *Server) sign(ctx context.Context, key onion.Address, digest [32]byte) ([]byte, error) {
	signature, err := ask(ctx, s, link.SignMail, link.Digest{Onion: string(key), Sum: digest})
	return signature, refused(err)
}

func refused(err error) error {
	if err != nil {
		err = fmt.Errorf("the parent refuses: %w", err)
	}
	return err
}

// Pair implements pair.Parent.
func (s *Server) Pair(ctx context.Context, p link.Pairing) (link.Paired, error) {
	return accepted(ask(ctx, s, link.Befriend, p))
}

// Seen implements pair.Parent.
func (s *Server) Seen(ctx context.Context, seen link.Seen) error {
	_, err := accepted(ask(ctx, s, link.Hear, seen))
	return err
}

// accepted makes an error of a reply that refuses.
func accepted(reply link.Paired, err error) (link.Paired, error) {
	if err == nil && reply.Refusal != 0 {
		err = peer.Refusal(reply.Refusal)
	}
	return reply, err
}
