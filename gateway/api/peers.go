package api

import (
	"context"
	"time"
)

// InviteRequest makes an invitation.
type InviteRequest struct {
	Name    string `json:"name"`              // what this house will call the friend
	Suggest string `json:"suggest,omitempty"` // what the friend's house may call this one
	Auto    bool   `json:"auto,omitempty"`    // nobody has to confirm
}

// Invitation is one that was made. Word is as good as a key.
type Invitation struct {
	Name    string    `json:"name"`
	Word    string    `json:"word"`
	Expires time.Time `json:"expires"`
	Renews  bool      `json:"renews,omitempty"` // for a friend, whose keys it renews; nobody else can use it
}

// AcceptRequest accepts one. Exactly one of Word and Introduced is set.
type AcceptRequest struct {
	Word       string `json:"word,omitempty"`
	Introduced string `json:"introduced,omitempty"` // the name under which a friend has introduced the box
	As         string `json:"as,omitempty"`         // what this house will call the friend; empty: as suggested
}

// PeerRequest names a friend, or somebody who is to become one.
type PeerRequest struct {
	Name string `json:"name"`
}

// IntroduceRequest names two friends.
type IntroduceRequest struct {
	Names [2]string `json:"names"`
}

// RenameRequest gives a friend another name in this house.
type RenameRequest struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// PeerState says how far it has come with somebody.
type PeerState string

const (
	PeerFriend     PeerState = "friend"
	PeerInvited    PeerState = "invited"    // we have made an invitation; nobody has come with it
	PeerAccepted   PeerState = "accepted"   // we have accepted one; the other box was not reached yet
	PeerConfirm    PeerState = "confirm"    // our owner has to compare the words and confirm
	PeerWaits      PeerState = "waits"      // the other owner has to
	PeerFinishing  PeerState = "finishing"  // both have; the boxes have to tell each other
	PeerIntroduced PeerState = "introduced" // a friend proposes it; our owner has to accept
	PeerFailed     PeerState = "failed"
)

// Peer is a friend's box, or one that may become it.
type Peer struct {
	Name      string     `json:"name"`
	State     PeerState  `json:"state"`
	Text      string     `json:"text"`              // the state in words, with what to do
	Onion     string     `json:"onion,omitempty"`   // "KEY.onion"; absent before it is known
	Address   string     `json:"address,omitempty"` // "alice.peer.home.arpa"
	Words     string     `json:"words,omitempty"`   // to compare by voice
	Since     *time.Time `json:"since,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"` // of an invitation
	By        string     `json:"introduced_by,omitempty"`
	LastSeen  *time.Time `json:"last_seen,omitempty"`
	RoundTrip int64      `json:"round_trip_ms,omitempty"`
	Reachable bool       `json:"reachable"`         // it was at the last attempt
	Error     string     `json:"error,omitempty"`   // of the last attempt to reach it
	Endpoints []string   `json:"endpoints"`         // what its box serves
	Onions    []string   `json:"onions"`            // what it has granted us: "photos.alice.peer.home.arpa"
	Waiting   []string   `json:"waiting,omitempty"` // what waits here for it, in words

	Services []PeerService `json:"services,omitempty"` // that its box lets this one use
}

// PeerService is a service of a friend's box, with its own port at that box's name, if
// it has one.
type PeerService struct {
	Name string `json:"name"`
	Port uint16 `json:"port,omitempty"`
}

// Invite makes an invitation.
func (c *Client) Invite(ctx context.Context, r InviteRequest) (Invitation, error) {
	return ask(ctx, c, verbInvite, r)
}

// Accept accepts an invitation.
func (c *Client) Accept(ctx context.Context, r AcceptRequest) (Peer, error) {
	return ask(ctx, c, verbAccept, r)
}

// Confirm says that the four words are the same on both sides.
func (c *Client) Confirm(ctx context.Context, r PeerRequest) (Peer, error) {
	return ask(ctx, c, verbConfirm, r)
}

// Peers lists friends and those who may become it.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return ask(ctx, c, verbPeers, struct{}{})
}

// Forget ends a friendship or an invitation, now.
func (c *Client) Forget(ctx context.Context, r PeerRequest) error {
	_, err := ask(ctx, c, verbForget, r)
	return err
}

// Introduce sends two friends an invitation for each other.
func (c *Client) Introduce(ctx context.Context, r IntroduceRequest) error {
	_, err := ask(ctx, c, verbIntroduce, r)
	return err
}

// Rename gives a friend another name.
func (c *Client) Rename(ctx context.Context, r RenameRequest) (Peer, error) {
	return ask(ctx, c, verbRename, r)
}
