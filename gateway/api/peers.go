package api

import (
	"context"
	"net/http"
	"time"
)

// Peers is the part of the gateway that knows friends' boxes.
type Peers interface {
	Invite(ctx context.Context, r InviteRequest) (Invitation, error)
	Accept(ctx context.Context, r AcceptRequest) (Peer, error)
	Confirm(ctx context.Context, r PeerRequest) (Peer, error)
	Peers(ctx context.Context) ([]Peer, error)
	Forget(ctx context.Context, r PeerRequest) error
	Introduce(ctx context.Context, r IntroduceRequest) error
	Rename(ctx context.Context, r RenameRequest) (Peer, error)
}

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
}

// Invite makes an invitation.
func (c *Client) Invite(ctx context.Context, r InviteRequest) (Invitation, error) {
	var i Invitation
	return i, c.call(ctx, http.MethodPost, "/invite", r, &i)
}

// Accept accepts an invitation.
func (c *Client) Accept(ctx context.Context, r AcceptRequest) (Peer, error) {
	var p Peer
	return p, c.call(ctx, http.MethodPost, "/accept", r, &p)
}

// Confirm says that the four words are the same on both sides.
func (c *Client) Confirm(ctx context.Context, r PeerRequest) (Peer, error) {
	var p Peer
	return p, c.call(ctx, http.MethodPost, "/confirm", r, &p)
}

// Peers lists friends and those who may become it.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	var list []Peer
	return list, c.call(ctx, http.MethodGet, "/peers", nil, &list)
}

// Forget ends a friendship or an invitation, now.
func (c *Client) Forget(ctx context.Context, r PeerRequest) error {
	return c.call(ctx, http.MethodPost, "/forget", r, nil)
}

// Introduce sends two friends an invitation for each other.
func (c *Client) Introduce(ctx context.Context, r IntroduceRequest) error {
	return c.call(ctx, http.MethodPost, "/introduce", r, nil)
}

// Rename gives a friend another name.
func (c *Client) Rename(ctx context.Context, r RenameRequest) (Peer, error) {
	var p Peer
	return p, c.call(ctx, http.MethodPost, "/rename", r, &p)
}

// handlePeers adds the requests about friends.
func handlePeers(mux *http.ServeMux, g Peers) {
	mux.HandleFunc("GET /peers", func(w http.ResponseWriter, r *http.Request) {
		list, err := g.Peers(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("POST /invite", handle(g.Invite))
	mux.HandleFunc("POST /accept", handle(g.Accept))
	mux.HandleFunc("POST /confirm", handle(g.Confirm))
	mux.HandleFunc("POST /rename", handle(g.Rename))
	mux.HandleFunc("POST /forget", handle(done(g.Forget)))
	mux.HandleFunc("POST /introduce", handle(done(g.Introduce)))
}

// done is for verbs that answer nothing but that it is done.
func done[Request any](do func(context.Context, Request) error) func(context.Context, Request) (struct{}, error) {
	return func(ctx context.Context, r Request) (struct{}, error) { return struct{}{}, do(ctx, r) }
}
