package peer

import (
	"fmt"
	"time"

	"tunic/gateway/onion"
)

// State says how far a pairing has come.
type State string

const (
	// Of the side that invites.
	Open      State = "open"      // nobody has come with the word
	Claimed   State = "claimed"   // a box has come, and has proved nothing yet
	Proved    State = "proved"    // it has: the owner is asked to confirm
	Confirmed State = "confirmed" // the other box has not been told, or has not written it down
	Finished  State = "finished"  // friends; kept until the other box has called by its own key

	// Of the side that is invited.
	Waiting  State = "waiting"  // the other box was not reached yet
	Answered State = "answered" // the other box's owner is asked to confirm
	Agreed   State = "agreed"   // confirmed; the other box has not been told that we know
	Failed   State = "failed"   // it will come to nothing; Reason says why

	// Of both.
	Introduced State = "introduced" // a friend proposes it; our owner has not said yes
)

// Pairing is one invitation that is under way, on one of its two sides, as it
// is kept on the disk. It holds secrets.
type Pairing struct {
	Invite  ID            `json:"invite"`
	Role    Role          `json:"role"`
	State   State         `json:"state"`
	Name    string        `json:"name"`            // the petname that it will get here
	Onion   onion.Address `json:"onion,omitempty"` // the other box's home, as soon as it is known
	Pinned  bool          `json:"pinned,omitempty"`
	Auto    bool          `json:"auto,omitempty"`
	By      string        `json:"by,omitempty"` // who introduced us
	Suggest string        `json:"suggest,omitempty"`
	Token   Token         `json:"token"`
	Expires time.Time     `json:"expires"`
	Reason  string        `json:"reason,omitempty"`

	Secret onion.ClientSecret `json:"secret"` // by which we shall find the other's onions
	Nonce  Key                `json:"nonce"`

	Commit      Key `json:"commit"` // of the invited side
	TheirNonce  Key `json:"their_nonce"`
	TheirClient Key `json:"their_client"`
}

// newPairing makes the secrets of one side.
func newPairing(role Role, state State, name string, t Token, expires time.Time) (Pairing, error) {
	secret, err := onion.NewClientSecret()
	if err != nil {
		return Pairing{}, err
	}
	p := Pairing{Invite: t.ID(), Role: role, State: state, Name: name, Token: t, Expires: expires, Secret: secret, Nonce: newNonce()}
	if role == Invited {
		client, err := p.client()
		if err != nil {
			return Pairing{}, err
		}
		p.Commit = Commitment(p.Nonce, client)
	}
	return p, nil
}

// client is our own permanent client key.
func (p Pairing) client() (k Key, err error) {
	public, err := p.Secret.Public()
	if err != nil {
		return k, err
	}
	raw, err := noPadding.DecodeString(string(public))
	copy(k[:], raw)
	return k, err
}

// transcript is complete once both sides have said all.
func (p Pairing) transcript(self onion.Address) (Transcript, error) {
	ours, err := p.client()
	t := Transcript{Invite: p.Invite, Commit: p.Commit,
		InviterOnion: KeyOf(self), InviterNonce: p.Nonce, InviterClient: ours,
		InvitedOnion: KeyOf(p.Onion), InvitedNonce: p.TheirNonce, InvitedClient: p.TheirClient}
	if p.Role == Invited {
		t.InviterOnion, t.InvitedOnion = t.InvitedOnion, t.InviterOnion
		t.InviterNonce, t.InvitedNonce = t.InvitedNonce, t.InviterNonce
		t.InviterClient, t.InvitedClient = t.InvitedClient, t.InviterClient
	}
	return t, err
}

// words are the four words, "" before both sides have said all.
func (p Pairing) words(self onion.Address) string {
	switch p.State {
	case Proved, Confirmed, Finished, Answered, Agreed:
	default:
		return ""
	}
	t, err := p.transcript(self)
	if err != nil {
		return ""
	}
	return t.Words()
}

// dials reports whether we are the one who calls the other box now.
func (p Pairing) dials() bool {
	return p.Role == Invited && (p.State == Waiting || p.State == Answered || p.State == Agreed)
}

// lets reports whether the other box may find our home for it.
func (p Pairing) lets() bool {
	return p.Role == Inviter && p.State != Failed && p.State != Introduced
}

// expired reports whether the time is up. What both owners have agreed about
// does not expire: the boxes only have to find each other.
func (p Pairing) expired(now time.Time) bool {
	return now.After(p.Expires) && p.State != Confirmed && p.State != Agreed
}

func (p Pairing) invite(self onion.Address) Invite {
	return Invite{Onion: self, Token: p.Token, Expires: p.Expires, Name: p.Suggest}
}

// String names no secret.
func (p Pairing) String() string { return fmt.Sprintf("%s (%s)", p.Name, p.State) }
