package link

import (
	"net/netip"
	"time"
)

// Page is the box's own page for browsers of the household.
type Page struct {
	Listeners []string // plain HTTP
	TLS       []string // HTTP over TLS, by the house's certificate
	Shares    []string // at friends' bare names

	Host       string // "box.home.arpa"
	CA         string // the authority's certificate, PEM; "" without one
	Mail, Chat bool   // what users of the box have
	Friends    []PageFriend
}

// PageFriend is a friend's box, at whose bare name there is a page of what it shares
// with this house.
type PageFriend struct {
	Name   string       // "alice"
	Key    string       // of its own onion: "KEY" of "KEY.onion"
	Addrs  []netip.Addr // virtual, of its own onion
	Shares []string     // "photos", of "photos.alice.peer.home.arpa"
}

// PageVisit asks what somebody may see who is not logged in.
type PageVisit struct {
	Device netip.Addr
}

// PageView is that.
type PageView struct {
	Open    bool // the household is open
	Inside  int  // devices that go through Tor
	Direct  int  // devices that go outside Tor
	Blocked int

	Known  bool // the device is; else Policy is that of devices without a file, and the rest empty
	Name   string
	Policy string     // in force now: "tor", "onion", "direct", "block"
	Until  *time.Time // of a policy that ends by itself
	Then   string     // the policy after that
}
