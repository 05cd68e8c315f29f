package link

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Page is the box's own page for browsers of the household.
type Page struct {
	Listeners []string // plain HTTP
	TLS       []string // HTTP over TLS, by the house's certificate
	Shares    []string // at friends' bare names

	DNS []DNSListener // for the box's own names while the household is closed

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

// PageLogin is what somebody shows to be let in. It hides from logs.
type PageLogin struct {
	Device   string // device.Key, whose attempts are counted together
	Name     string
	Password string
	Code     string // of admins
}

func (PageLogin) String() string   { return "(a log-in)" }
func (PageLogin) GoString() string { return "(a log-in)" }

// PageCode is the first code of an admin's. It hides from logs.
type PageCode struct {
	Device string
	Token  string
	Code   string
}

func (PageCode) String() string   { return "(a code)" }
func (PageCode) GoString() string { return "(a code)" }

// PageRefusal says why somebody is not let in.
type PageRefusal string

const (
	PageWrong PageRefusal = "wrong" // name, password or code
	PageSlow  PageRefusal = "slow"  // too many attempts
	PageBusy  PageRefusal = "busy"  // others are logging in
	PageGone  PageRefusal = "gone"  // the pass is over
	PageFault PageRefusal = "fault" // the box cannot check it; its log says more
)

// PagePass lets somebody in, unless it is refused. It hides from logs.
type PagePass struct {
	Refused PageRefusal
	Token   string
	User    string
	Secret  string // of codes, for an admin who has to enrol before anything else
}

func (PagePass) String() string   { return "(a pass)" }
func (PagePass) GoString() string { return "(a pass)" }

// PageAct asks for what a user may. The body is that of the verb, as package api has
// it. It hides from logs: passwords of new users are in it.
type PageAct struct {
	Token string
	Verb  string
	Body  json.RawMessage
}

func (a PageAct) String() string   { return a.Verb }
func (a PageAct) GoString() string { return a.Verb }

// PageAnswer is what came of it. It hides from logs, because invitations are in it.
type PageAnswer struct {
	Gone  bool            // the log-in is over, or was never there
	Bar   bool            // it is for another role; Error says so
	Error string          // why it was not done; empty: it was
	Hint  string          // what to do then
	Body  json.RawMessage // the answer of the verb
}

func (PageAnswer) String() string   { return "(an answer)" }
func (PageAnswer) GoString() string { return "(an answer)" }
