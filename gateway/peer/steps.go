package peer

import (
	"fmt"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// The steps of a pairing, as docs/decisions draws them. Each can be done again
// with the same outcome, so a conversation may break anywhere. What they are
// given came from the other box, through serve, and is believed only as far as
// it is checked here.

// Claim is the inviting side's first step: a box has come with the invitation
// and committed itself. The first box that does so is the only one from then on.
func (b *Book) Claim(id ID, who, commit Key) (nonce, client Key, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.invited(id, who)
	if err != nil {
		return nonce, client, err
	}
	if p.State == Open {
		next := *p
		next.State, next.Onion, next.Commit = Claimed, who.Address(), commit
		if err := b.change(next); err != nil {
			return nonce, client, Busy
		}
		p = &next
	}
	if p.Commit != commit {
		return nonce, client, Used
	}
	client, err = p.client()
	return p.Nonce, client, err
}

// invited returns the invitation that a box may use.
func (b *Book) invited(id ID, who Key) (*Pairing, error) {
	p := b.pairings[id]
	switch {
	case p == nil || p.Role != Inviter || p.State == Introduced:
		return nil, Unknown
	case who.Address() == b.Self:
		return nil, Own
	case p.expired(b.Now()):
		return nil, Expired
	case p.Onion != "" && p.Onion != who.Address() && p.Pinned:
		return nil, NotYours
	case p.Onion != "" && p.Onion != who.Address():
		return nil, Used
	}
	return p, nil
}

// Prove is its second step: the box proves its onion's key. The signature that
// is returned proves ours; confirmed says whether our owner has agreed.
func (b *Book) Prove(id ID, who, nonce, client Key, s Signature) (ours Signature, confirmed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.invited(id, who)
	if err != nil {
		return ours, false, err
	}
	next := *p
	next.TheirNonce, next.TheirClient = nonce, client
	t, err := next.transcript(b.Self)
	if err != nil {
		return ours, false, err
	}
	if _, weak := client.clientKey(); weak != nil || p.State == Open || Commitment(nonce, client) != p.Commit || !t.Verify(Invited, s) {
		return ours, false, BadProof
	}
	if next.State == Claimed {
		next.State = Proved
		if next.Auto {
			next.State = Confirmed
		}
		if err := b.change(next); err != nil {
			return ours, false, Busy
		}
	}
	ours, err = b.Sign(t.Message(Inviter))
	return ours, next.State != Proved, err
}

// Finish is its last step: the other box knows that both have agreed, and
// keeps it. The peer that is returned goes into the configuration; then call
// Finished.
func (b *Book) Finish(id ID, who Key) (config.Peer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.invited(id, who)
	switch {
	case err != nil:
		return config.Peer{}, err
	case p.State != Confirmed && p.State != Finished:
		return config.Peer{}, BadProof
	}
	return b.befriend(p)
}

// befriend keeps what is secret about a new friend.
func (b *Book) befriend(p *Pairing) (config.Peer, error) {
	client, err := p.TheirClient.clientKey()
	if err != nil {
		return config.Peer{}, err
	}
	peer := config.Peer{Name: b.cleanName(p.Name, p.Onion), Onion: string(p.Onion), ClientKey: string(client),
		Since: b.Now().UTC().Truncate(1e9)}
	if old, ok := b.peer(byOnion(p.Onion)); ok {
		peer.Name, peer.Since = old.Name, old.Since
	}
	if err := save(b.keyFile(peer.Name), friendKey{Onion: p.Onion, Secret: p.Secret, Words: p.words(b.Self)}); err != nil {
		return config.Peer{}, fmt.Errorf("keeping the key of a friend: %w", err)
	}
	delete(b.friends, p.Onion) // to be read again
	return peer, nil
}

// Finished notes that the configuration has the peer. The invitation stays to
// answer the other box, should it not have heard us, until that box has called
// by its own key.
func (b *Book) Finished(id ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pairings[id]
	if p == nil || p.State == Finished {
		return nil
	}
	next := *p
	next.State = Finished
	return b.change(next)
}

// Settled reports whether Finish and Finished are done for that box with these
// keys, so that the same step again changes nothing.
func (b *Book) Settled(id ID, who Key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.invited(id, who)
	if err != nil || p.State != Finished {
		return false
	}
	friend, ok := b.peer(byOnion(p.Onion))
	client, err := p.TheirClient.clientKey()
	return ok && err == nil && friend.ClientKey == string(client)
}

// Answer is the invited side's step after the other box has told its nonce and
// key: it returns what opens our commitment, and our proof.
func (b *Book) Answer(id ID, theirNonce, theirClient Key) (nonce, client Key, s Signature, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.dialling(id)
	if err != nil {
		return nonce, client, s, err
	}
	if p.TheirNonce == (Key{}) {
		next := *p
		next.TheirNonce, next.TheirClient = theirNonce, theirClient
		if _, weak := theirClient.clientKey(); weak != nil {
			return nonce, client, s, BadProof
		}
		if err := b.change(next); err != nil {
			return nonce, client, s, Busy
		}
		p = &next
	}
	t, err := p.transcript(b.Self)
	if err == nil && (t.InviterNonce != theirNonce || t.InviterClient != theirClient) {
		err = BadProof // it has said something else before
	}
	if err == nil {
		s, err = b.Sign(t.Message(Invited))
	}
	return t.InvitedNonce, t.InvitedClient, s, err
}

// dialling returns a pairing in which we call the other box.
func (b *Book) dialling(id ID) (*Pairing, error) {
	p := b.pairings[id]
	if p == nil || !p.dials() {
		return nil, Declined
	}
	return p, nil
}

// Verify is its step after the other box has proved its key. It reports whether
// the other owner has agreed, and with it ours has kept that.
func (b *Book) Verify(id ID, s Signature, confirmed bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.dialling(id)
	if err != nil {
		return err
	}
	t, err := p.transcript(b.Self)
	if err != nil {
		return err
	}
	if !t.Verify(Inviter, s) {
		return BadProof
	}
	next := *p
	switch {
	case confirmed:
		next.State = Agreed
	case p.State == Waiting:
		next.State = Answered
	}
	if next.State == p.State {
		return nil
	}
	return b.change(next)
}

// Conclude is its last step: the other box has written us down. The peer that
// is returned goes into the configuration; then call Concluded.
func (b *Book) Conclude(id ID) (config.Peer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.dialling(id)
	switch {
	case err != nil:
		return config.Peer{}, err
	case p.State != Agreed:
		return config.Peer{}, BadProof
	}
	return b.befriend(p)
}

// Concluded notes that the configuration has the peer.
func (b *Book) Concluded(id ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.drop(id)
}

// Fail notes on the invited side that the other box has refused for good.
func (b *Book) Fail(id ID, why Refusal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.dialling(id)
	if err != nil || !why.Final() {
		return err
	}
	next := *p
	next.State, next.Reason = Failed, why.Error()
	return b.change(next)
}

// Clients are the keys by which our home onion may be found for the sake of
// invitations: temporary ones, and those of boxes that are confirmed.
func (b *Book) Clients() []onion.ClientKey {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []onion.ClientKey
	for _, p := range b.sorted() {
		if !p.lets() {
			continue
		}
		if secret, err := p.Token.Client(); err == nil {
			if k, err := secret.Public(); err == nil {
				keys = append(keys, k)
			}
		}
		if k, err := p.TheirClient.clientKey(); err == nil && (p.State == Confirmed || p.State == Finished) {
			keys = append(keys, k)
		}
	}
	return keys
}

// Visit is an onion that we may find with a key.
type Visit struct {
	Onion onion.Address
	Key   onion.ClientSecret
}

// Visits are the onions that we dial because of invitations, and the keys by
// which we find them.
func (b *Book) Visits() []Visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Visit
	for _, p := range b.sorted() {
		if !p.dials() {
			continue
		}
		if key, err := p.Token.Client(); err == nil {
			list = append(list, Visit{p.Onion, key})
		}
	}
	return list
}

// Call is an invitation for which serve dials the other box.
type Call struct {
	Invite ID
	Onion  Key
	Commit Key
}

// Calls are the boxes to dial because of invitations.
func (b *Book) Calls() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Call
	for _, p := range b.sorted() {
		if p.dials() {
			list = append(list, Call{p.Invite, KeyOf(p.Onion), p.Commit})
		}
	}
	return list
}

// Hello signs that we are the ones who call a friend's box: in answer to its
// nonce, with the digest of what serve says of us.
func (b *Book) Hello(who, theirNonce, nonce, digest Key) (Signature, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.peer(byOnion(who.Address())); !ok {
		return Signature{}, NoFriend
	}
	return b.Sign(HelloMessage(KeyOf(b.Self), who, theirNonce, nonce, digest))
}
