package link

import "time"

// Mail is the mail endpoint: port 25 through fronts, port 587 in the household.
type Mail struct {
	Dir       string
	Home      string   // the 56 letters of the home onion
	Former    []string // what Home was before and still receives
	Strangers string   // of the onion for everybody's mail; "" is none
	Friends   []MailFriend
	Groups    []MailGroup
	Smarthost *Smarthost // nil: no mail goes to the internet
	MaxSize   int64      // bytes
	Quota     int64      // bytes
	Listeners []string
}

// Smarthost is a mail provider's server. Its password hides from logs.
type Smarthost struct {
	Host           string
	Port           uint16
	User, Password string
	From           string
}

func (s Smarthost) String() string   { return s.Host }
func (s Smarthost) GoString() string { return s.Host }

// MailFriend is a friend's box.
type MailFriend struct {
	Name string // petname
	Key  string // the 56 letters of its home onion
}

// MailGroup is one address for several people.
type MailGroup struct {
	Name    string
	Title   string
	Members []string // LOCAL@KEY.peer.home.arpa
}

// Sign asks the parent for the signature of a mail by an onion's key. The
// digest's length is fixed: whatever else that key signs is longer, so nothing
// else can be had by this. It is answered with a Signed.
type Sign struct {
	ID     uint64
	Onion  string // the 56 letters
	Digest [32]byte
}

// Signed answers the Sign with the same ID.
type Signed struct {
	ID        uint64
	Signature []byte // 64 bytes
	Error     string // why not; empty: it is there
}

// MailVerb says what a MailAsk is about.
type MailVerb string

// The verbs about the queue of mail.
const (
	MailQueue MailVerb = "queue"
	MailShow  MailVerb = "show"
	MailFlush MailVerb = "flush"
	MailDrop  MailVerb = "drop"
)

// MailAsk asks serve about its queue of mail, or to change it. It is answered
// with an Answer.
type MailAsk struct {
	ID   uint64
	Verb MailVerb
	Word string // the message's ID; for flush a petname or ""
}

// MailAnswer is the part of an Answer that answers a MailAsk.
type MailAnswer struct {
	Messages []Letter
	Count    int // of messages that flush tries now
}

// Letter is a message of the queue.
type Letter struct {
	ID         string
	From       string
	Arrived    time.Time
	Size       int64     // bytes
	Next       time.Time // zero: at once
	Recipients []LetterRecipient
	Header     string
}

// LetterRecipient is how far a message is for one recipient.
type LetterRecipient struct {
	To     string
	State  string
	Reason string
}

func (Sign) kind() Kind    { return kindSign }
func (Signed) kind() Kind  { return kindSigned }
func (MailAsk) kind() Kind { return kindMailAsk }
