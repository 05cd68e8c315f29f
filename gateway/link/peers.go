package link

import (
	"net/netip"
	"time"
)

// Key is 32 bytes: an onion's public key, an x25519 public key or a nonce.
type Key [32]byte

// PairStep says what a Pairing asks for.
type PairStep uint8

// The steps, in their order; the inviting box's begin with Claim, the invited
// one's with Answer. What each field holds is said there; the others are zero.
const (
	PairClaim    PairStep = iota + 1 // Invite, Onion, Commit -> Nonce, Client
	PairProve                        // Invite, Onion, Nonce, Client, Signature -> Signature, Confirmed
	PairFinish                       // Invite, Onion -> nothing
	PairAnswer                       // Invite, Nonce, Client -> Nonce, Client, Signature
	PairVerify                       // Invite, Signature, Confirmed -> nothing
	PairConclude                     // Invite -> nothing
	PairFail                         // Invite, Refusal -> nothing
	PairHello                        // Onion (whom), Commit (digest), Nonce (the other's), Client (ours) -> Signature
)

// Pairing asks the parent for one step of a conversation with another box: the
// parent has the keys and the memory. What it holds of the other box is of fixed
// length, and serve has read it.
type Pairing struct {
	Step      PairStep
	Invite    [16]byte
	Onion     Key // whose box it is about
	Nonce     Key
	Client    Key
	Commit    Key
	Signature [64]byte
	Confirmed bool
	Refusal   uint8
}

// Paired answers a Pairing, or a Seen.
type Paired struct {
	Refusal   uint8 // why not, a number of package peer
	Nonce     Key
	Client    Key
	Signature [64]byte
	Confirmed bool
}

// Seen tells the parent what a friend's box has said of itself, once it was
// proved that it was that box. The lists are short, and each part of them has
// the shape that it must have.
type Seen struct {
	Onion      Key
	RoundTrip  time.Duration // 0: not measured
	Endpoints  []string
	Offers     []Offer
	Services   []ServiceOffer
	Introduced []Introduction
	Delivered  [][16]byte // names of the introductions that the other box has taken
}

// Offer is an onion that one box has granted to another.
type Offer struct {
	Name  string
	Onion Key
}

// Introduction proposes a third box. Who has its token is let in, so it hides from
// logs.
type Introduction struct {
	Token   [16]byte
	Role    uint8 // of the box that is told; a number of package peer
	Onion   Key
	Name    string
	Expires int64 // seconds since 1970
}

func (i Introduction) String() string   { return i.Name }
func (i Introduction) GoString() string { return i.Name }

// Peers is what serve has to do with other boxes; nil: nothing.
type Peers struct {
	Self    Key
	Former  []Key    // what Self was before, and is still called by
	Calls   []Call   // boxes to dial because of invitations
	Friends []Friend // who may say hello, and to whom to say it
}

// Call is a box to dial because of an invitation.
type Call struct {
	Invite [16]byte
	Onion  Key
	Commit Key
}

// Friend is a friend's box and what to tell it. When anything of it changes,
// it is told again.
type Friend struct {
	Onion      Key
	Return     uint64 // how often this box has come back
	Endpoints  []string
	Offers     []Offer
	Services   []ServiceOffer
	Introduced []Introduction
}

// Name is an onion that has a name in this house: KEY.peer.home.arpa, KEY.onion
// and, if there is a label, LABEL.peer.home.arpa.
type Name struct {
	Label string // "alice", "photos.alice"; "": none
	Onion Key
	Addrs []netip.Addr // in the virtual ranges, fixed
	Box   bool         // it is this box, which has household addresses instead
}

// OwnName is an onion of this house, which is LABEL.box.home.arpa here.
type OwnName struct {
	Label string // "photos"
	Onion Key
}

// PeerStatus is how the last attempt to reach a box ended.
type PeerStatus struct {
	Onion Key
	At    time.Time
	Error string // empty: it was reached
}
