package link

import (
	"net/netip"
	"time"
)

// Run asks the parent to start the command of a service for a friend who was proved. The
// stream and a pipe for its status come with it (package cell). The parent has both in its
// configuration, or refuses.
type Run struct {
	Service string
	Friend  Key
}

// Services is what friends may use here, and what they offer this house; nil: neither.
type Services struct {
	Leaf      TLS // of the home onion, by which both sides prove who they are
	Home      Key // that onion
	Own       []OwnService
	Friends   []FriendServices
	Listeners []string // for the household: what friends offer, and tables
	Table     string   // the listener for the box itself; "": nobody of the house talks with friends
}

// OwnService is one that friends may use.
type OwnService struct {
	Name    string
	Command bool  // the parent runs it; else Target
	Target  Port  // Addr, Host, Unix and Proxy of it
	Drop    *Drop `json:",omitempty"` // instead: files come by it
	Talk    bool  `json:",omitempty"` // instead: it is the friend's table
	AtOnce  int   // streams of one friend
	Time    time.Duration
	Friends []ServiceFriend
}

// Drop is where files of friends go.
type Drop struct {
	Dir   string
	Quota int64 // bytes of each friend
}

// ServiceFriend is who may use one.
type ServiceFriend struct {
	Onion Key
	Name  string // the petname
}

// FriendServices is what a friend's box offers this one, at its addresses here.
type FriendServices struct {
	Onion  Key
	Addrs  []netip.Addr
	Offers []ServiceOffer
}

// ServiceOffer is a service by its name and, unless it is 0, its own port.
type ServiceOffer struct {
	Name string
	Port uint16
}
