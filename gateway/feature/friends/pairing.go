package friends

import (
	"context"
	"errors"
	"time"

	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// Pair makes one step of a conversation with another box. All that the other
// box has said is numbers of fixed length, and the book checks what they prove.
// A step that makes a friend is in the files before it is answered.
func (f *Feature) Pair(ctx context.Context, m link.Pairing) (reply link.Paired, err error) {
	book, err := f.theBook()
	if err == nil {
		err = f.step(ctx, book, m, &reply)
	}
	if why, refused := errors.AsType[peer.Refusal](err); refused {
		reply.Refusal, err = uint8(why), nil
	}
	if err != nil {
		f.Log.Warn("a step with another box failed", "error", err)
	}
	return reply, err
}

func (f *Feature) step(ctx context.Context, b *peer.Book, m link.Pairing, reply *link.Paired) (err error) {
	id, who := peer.ID(m.Invite), peer.Key(m.Onion)
	before := b.Changes()
	defer func() {
		if b.Changes() != before { // a stranger who is refused has changed nothing
			f.host.Wake()
		}
	}()
	switch m.Step {
	case link.PairClaim:
		reply.Nonce, reply.Client, err = linkKeys(b.Claim(id, who, peer.Key(m.Commit)))
	case link.PairProve:
		var s peer.Signature
		s, reply.Confirmed, err = b.Prove(id, who, peer.Key(m.Nonce), peer.Key(m.Client), m.Signature)
		reply.Signature = s
	case link.PairFinish:
		if b.Settled(id, who) {
			return nil
		}
		return f.host.Do(ctx, func(context.Context) error {
			p, err := b.Finish(id, who)
			if err == nil {
				err = f.writePeer(p)
			}
			if err == nil {
				err = b.Finished(id)
			}
			return err
		})
	case link.PairAnswer:
		var nonce, client peer.Key
		var s peer.Signature
		nonce, client, s, err = b.Answer(id, peer.Key(m.Nonce), peer.Key(m.Client))
		reply.Nonce, reply.Client, reply.Signature = link.Key(nonce), link.Key(client), s
	case link.PairVerify:
		err = b.Verify(id, m.Signature, m.Confirmed)
	case link.PairConclude:
		return f.host.Do(ctx, func(context.Context) error {
			p, err := b.Conclude(id)
			if err == nil {
				err = f.writePeer(p)
			}
			if err == nil {
				err = b.Concluded(id)
			}
			return err
		})
	case link.PairFail:
		err = b.Fail(id, peer.Refusal(m.Refusal))
	case link.PairHello:
		reply.Signature, err = b.Hello(who, peer.Key(m.Nonce), peer.Key(m.Client), peer.Key(m.Commit))
	default:
		err = errors.New("serve asked for a step that there is not")
	}
	return err
}

func linkKeys(a, b peer.Key, err error) (link.Key, link.Key, error) {
	return link.Key(a), link.Key(b), err
}

// Met keeps what a friend's box has said of itself, or has it wait its time.
func (f *Feature) Met(ctx context.Context, m link.Seen) (reply link.Paired, err error) {
	book, err := f.theBook()
	var taken bool
	var again time.Duration
	if err == nil {
		taken, again, err = book.Heard(peer.Key(m.Onion), peer.Word{Seen: seenOf(m), Delivered: delivered(m), Introduced: introductions(m)})
	}
	if why, refused := errors.AsType[peer.Refusal](err); refused {
		reply.Refusal, err = uint8(why), nil
	}
	if taken {
		f.Tor.AskAgain(ctx, string(peer.Key(m.Onion).Address()))
		f.host.Soon()
	}
	if again > 0 {
		time.AfterFunc(again, f.host.Soon) // one for each friend at most
	}
	return reply, err
}

// listen takes what friends' boxes have said too soon to be looked at then.
func (f *Feature) listen(ctx context.Context, book *peer.Book, r *feature.Report) {
	from, err := book.Late()
	if err != nil {
		r.Find(health.FriendsUnusable, "", "what is kept of friends: %v", err)
	}
	for _, who := range from {
		f.Tor.AskAgain(ctx, string(who))
	}
}

func seenOf(m link.Seen) peer.Seen {
	s := peer.Seen{RoundTrip: m.RoundTrip, Endpoints: m.Endpoints}
	for _, o := range m.Offers {
		s.Offers = append(s.Offers, peer.Offer{Name: o.Name, Onion: peer.Key(o.Onion).Address()})
	}
	for _, v := range m.Services {
		s.Services = append(s.Services, peer.Service(v))
	}
	return s
}

func delivered(m link.Seen) []peer.ID {
	var list []peer.ID
	for _, id := range m.Delivered {
		list = append(list, peer.ID(id))
	}
	return list
}

func introductions(m link.Seen) []peer.Introduction {
	var list []peer.Introduction
	for _, i := range m.Introduced {
		list = append(list, peer.Introduction{Token: i.Token, Role: peer.Role(i.Role),
			Onion: onion.Address(peer.Key(i.Onion).Address()), Name: i.Name, Expires: time.Unix(i.Expires, 0).UTC()})
	}
	return list
}
