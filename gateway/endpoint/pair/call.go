package pair

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// errWaiting says that the other owner has not confirmed yet.
var errWaiting = errors.New("their side has to confirm it: compare the four words")

// accept is the invited box's side. It returns nil when both are friends.
func (s side) accept(self peer.Key, c link.Call) error {
	err := send(s, kindClaim, claim{version, c.Invite, self, peer.Key(c.Commit)})
	if err != nil {
		return err
	}
	var o opened
	if err := await(s, kindOpened, &o); err != nil {
		return err
	}
	reply, err := s.ask(link.Pairing{Step: link.PairAnswer, Invite: c.Invite, Onion: c.Onion, Nonce: link.Key(o.Nonce),
		Client: link.Key(o.Client)})
	if err != nil {
		return err
	}
	if err := send(s, kindProof, proof{peer.Key(reply.Nonce), peer.Key(reply.Client), reply.Signature}); err != nil {
		return err
	}
	var v verdict
	if err := await(s, kindVerdict, &v); err != nil {
		return err
	}
	if _, err := s.ask(link.Pairing{Step: link.PairVerify, Invite: c.Invite, Onion: c.Onion, Signature: v.Signature,
		Confirmed: v.Confirmed == 1}); err != nil {
		return err
	}
	if v.Confirmed != 1 {
		return errWaiting
	}
	if err := send(s, kindDone, empty{}); err != nil {
		return err
	}
	if err := await(s, kindWelcome, &empty{}); err != nil {
		return err
	}
	_, err = s.ask(link.Pairing{Step: link.PairConclude, Invite: c.Invite, Onion: c.Onion})
	return err
}

// greet says hello to a friend and returns what that box said of itself, and
// how long a word took to go there and come back.
func (s side) greet(self peer.Key, f link.Friend) (about, time.Duration, error) {
	h := hello{Version: version, Onion: self}
	rand.Read(h.Nonce[:]) // never fails
	begin := time.Now()
	if err := send(s, kindHello, h); err != nil {
		return about{}, 0, err
	}
	var q question
	if err := await(s, kindQuestion, &q); err != nil {
		return about{}, 0, err
	}
	roundTrip := time.Since(begin)
	text, err := json.Marshal(aboutUs(f, nil))
	if err != nil {
		return about{}, 0, err
	}
	reply, err := s.ask(link.Pairing{Step: link.PairHello, Onion: f.Onion, Nonce: link.Key(q.Nonce), Client: link.Key(h.Nonce),
		Commit: link.Key(peer.Digest(text))})
	if err != nil {
		return about{}, 0, err
	}
	if err := sendBytes(s, kindGreeting, append(reply.Signature[:], text...)); err != nil {
		return about{}, 0, err
	}
	body, err := expect(s, kindReply)
	if err != nil {
		return about{}, 0, err
	}
	said, err := parseAbout(body)
	return said, roundTrip, err
}

// How long a dial may hang. One that asked a box just before that went away hangs
// for half a minute, and so does everything that shares its circuits; one on
// circuits of its own, some seconds later, does not. But Tor can be slow, so
// each dial that fails gives the next one more time.
const (
	firstDial = 7 * time.Second
	lastDial  = 28 * time.Second
)

// call dials a box, when there is a place for it, and has f speak.
func (d *Dialer) call(ctx context.Context, to peer.Key, patience time.Duration, f func(side) error) error {
	var c net.Conn
	err := d.Gate.Dial(ctx, to.Address(), func() (err error) {
		dialCtx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c, err = d.Dial(dialCtx, to.Address().Host(), config.PairPort, patience > firstDial)
		return err
	})
	if err != nil {
		return &unreached{err, d.Reason(err)}
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(stepTimeout))
	return f(side{Conn: c, ctx: ctx, parent: d.Parent})
}

// unreached is the error of a dial that failed.
type unreached struct {
	err error
	why string
}

func (u *unreached) Error() string { return "their box cannot be reached: " + u.why }
func (u *unreached) Unwrap() error { return u.err }

// words say what an error of a call means to people.
func words(err error) string {
	var net net.Error
	var far *unreached
	switch why, refused := errors.AsType[peer.Refusal](err); {
	case err == nil:
		return ""
	case errors.As(err, &far):
		return far.Error()
	case refused:
		return why.Error()
	case errors.Is(err, errWaiting):
		return errWaiting.Error()
	case errors.As(err, &net) && net.Timeout():
		return "their box did not answer in time"
	}
	return "the conversation with their box broke off"
}
