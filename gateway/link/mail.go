package link

import "time"

// Mail is the mail endpoint: port 25 through fronts, port 587 in the household.
type Mail struct {
	Dir       string
	Home      string   // the 56 letters of the home onion
	Former    []string // what Home was before and still receives
	Strangers string   // of the onion for everybody's mail; "" is none
	Phones    []string // hosts of phones' onions, also former ones, which nobody outside may see
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

// Digest is what a mail is signed by: an onion's key. Its length is fixed:
// whatever else that key signs is longer, so nothing else can be had by this.
// The answer to SignMail is a signature of 64 bytes.
type Digest struct {
	Onion string // the 56 letters
	Sum   [32]byte
}

// Notice is what the box tells its admins.
type Notice struct {
	ID      string // one word, of this notice alone
	Subject string // one line of ASCII
	Text    string // lines that end with \n
	At      time.Time
}

// MailVerb says what a MailQuestion is about.
type MailVerb string

// The verbs about the queue of mail.
const (
	MailQueue MailVerb = "queue"
	MailShow  MailVerb = "show"
	MailFlush MailVerb = "flush"
	MailDrop  MailVerb = "drop"
)

// MailQuestion asks serve about its queue of mail, or to change it.
type MailQuestion struct {
	Verb MailVerb
	Word string // the message's ID; for flush a petname or ""
}

// MailAnswer answers a MailQuestion.
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
