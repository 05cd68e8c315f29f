// Package pair is the conversation between two boxes: how a box that was
// invited becomes a friend, and how friends say hello. One side is an endpoint
// of the home onion, the other dials; both are run by serve.
//
// It has no keys and no memory: for each step it asks the parent, with messages
// of package link, and it hands on only what has the right shape. Use it on a
// stream through Tor: the onion that was dialled is proved by Tor itself, and
// nobody in between reads or changes anything.
package pair

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// stepTimeout is how long the other box may take for one step: a circuit of six
// relays, and a parent that is busy with tor.
const stepTimeout = 45 * time.Second

// Parent is who has the keys and the memory.
type Parent interface {
	// Pair makes one step; the error is a peer.Refusal if the answer is one.
	Pair(ctx context.Context, p link.Pairing) (link.Paired, error)
	// Seen keeps what a friend's box has said.
	Seen(ctx context.Context, s link.Seen) error
}

// Endpoint answers other boxes.
type Endpoint struct {
	Parent Parent
	Log    *slog.Logger
	Met    func(onion peer.Key) // called when a friend has said hello; must not block

	mu    sync.Mutex
	peers link.Peers
}

// Set says who our friends are.
func (e *Endpoint) Set(p link.Peers) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peers = p
}

// friend returns a friend, and the addresses by which we may be called.
func (e *Endpoint) friend(who peer.Key) (f link.Friend, selves []link.Key, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	selves = append([]link.Key{e.peers.Self}, e.peers.Former...)
	i := slices.IndexFunc(e.peers.Friends, func(f link.Friend) bool { return f.Onion == link.Key(who) })
	if i < 0 {
		return f, selves, false
	}
	return e.peers.Friends[i], selves, true
}

// Name implements endpoint.Endpoint.
func (e *Endpoint) Name() string { return config.PairEndpoint }

// ServeConn implements endpoint.Endpoint.
func (e *Endpoint) ServeConn(ctx context.Context, c net.Conn, _ endpoint.Visitor) error {
	c.SetDeadline(time.Now().Add(stepTimeout))
	k, body, err := receive(c)
	if err != nil {
		return err
	}
	s := side{Conn: c, ctx: ctx, parent: e.Parent}
	switch k {
	case kindClaim:
		err = s.invite(body)
	case kindHello:
		err = e.greet(s, body)
	default:
		return errMessage
	}
	if why, ok := errors.AsType[peer.Refusal](err); ok {
		send(c, kindRefused, refused{why})
	}
	return err
}

// side is one end of a conversation.
type side struct {
	net.Conn
	ctx    context.Context
	parent Parent
}

// ask has the parent make a step, and gives the other box its time again.
func (s side) ask(p link.Pairing) (link.Paired, error) {
	reply, err := s.parent.Pair(s.ctx, p)
	if err != nil {
		if _, ok := errors.AsType[peer.Refusal](err); !ok {
			err = errors.Join(err, peer.Busy)
		}
	}
	s.SetDeadline(time.Now().Add(stepTimeout))
	return reply, err
}

// invite is the inviting box's side.
func (s side) invite(body []byte) error {
	var c claim
	if err := parse(body, &c); err != nil {
		return err
	}
	if c.Version != version {
		return peer.BadVersion
	}
	about := link.Pairing{Step: link.PairClaim, Invite: c.Invite, Onion: link.Key(c.Onion), Commit: link.Key(c.Commit)}
	reply, err := s.ask(about)
	if err != nil {
		return err
	}
	if err := send(s, kindOpened, opened{peer.Key(reply.Nonce), peer.Key(reply.Client)}); err != nil {
		return err
	}
	var p proof
	if err := await(s, kindProof, &p); err != nil {
		return err
	}
	reply, err = s.ask(link.Pairing{Step: link.PairProve, Invite: c.Invite, Onion: link.Key(c.Onion),
		Nonce: link.Key(p.Nonce), Client: link.Key(p.Client), Signature: p.Signature})
	if err != nil {
		return err
	}
	v := verdict{Signature: reply.Signature}
	if reply.Confirmed {
		v.Confirmed = 1
	}
	if err := send(s, kindVerdict, v); err != nil || !reply.Confirmed {
		return err
	}
	if err := await(s, kindDone, &empty{}); err != nil {
		return err
	}
	if _, err := s.ask(link.Pairing{Step: link.PairFinish, Invite: c.Invite, Onion: link.Key(c.Onion)}); err != nil {
		return err
	}
	return send(s, kindWelcome, empty{})
}

// greet answers a friend who says hello.
func (e *Endpoint) greet(s side, body []byte) error {
	var h hello
	if err := parse(body, &h); err != nil {
		return err
	}
	if h.Version != version {
		return peer.BadVersion
	}
	friend, selves, ok := e.friend(h.Onion)
	if !ok {
		return peer.NoFriend
	}
	var q question
	rand.Read(q.Nonce[:]) // never fails
	if err := send(s, kindQuestion, q); err != nil {
		return err
	}
	greeting, err := expect(s, kindGreeting)
	if err != nil {
		return err
	}
	if len(greeting) < signatureSize {
		return errMessage
	}
	signature, text := greeting[:signatureSize], greeting[signatureSize:]
	proved := slices.ContainsFunc(selves, func(self link.Key) bool {
		return ed25519.Verify(h.Onion[:], peer.HelloMessage(h.Onion, peer.Key(self), q.Nonce, h.Nonce, peer.Digest(text)), signature)
	})
	if !proved {
		return peer.BadProof
	}
	said, err := parseAbout(text)
	if err != nil {
		return err
	}
	if err := s.parent.Seen(s.ctx, said.seen(h.Onion, 0)); err != nil {
		return err
	}
	if e.Met != nil {
		e.Met(h.Onion)
	}
	ours, err := json.Marshal(aboutUs(friend, said.takes()))
	if err != nil {
		return err
	}
	s.SetDeadline(time.Now().Add(stepTimeout))
	return sendBytes(s, kindReply, ours)
}
