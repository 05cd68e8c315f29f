// Package smtp is the household's mail server: it takes mail from friends'
// boxes on port 25 of an onion and from the household's users on port 587,
// keeps it in a spool, and delivers it to Maildirs and to friends' boxes
// (RFC 5321, RFC 6409).
//
// The address proves the sender: mail from bob@KEY.peer.home.arpa is signed by
// the onion KEY (package dkim), and mail that claims a KEY and does not verify
// is refused. Mail that was accepted arrives once, or its sender is told.
//
// Use it for mail between boxes that know each other. It never relays: from
// outside it takes mail for users and groups of this box, from inside for those
// and for friends. It asks no DNS and knows no MX: who is reached, and how, is
// what New and Set were given.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-sasl"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// People are the household's users.
type People interface {
	// Login checks a name and a password and returns the account's name.
	Login(login, password string) (name string, ok bool)
	// Exchange begins a login by SCRAM-SHA-256 (RFC 7677).
	Exchange() Exchange
	// Mailboxes are the users who get the mail for a local part: a user, the
	// admins for a reserved name such as postmaster, or nobody.
	Mailboxes(local string) []string
}

// Exchange is one login under way.
type Exchange interface {
	sasl.Server
	Name() string // who it was, when Next has said that it is done
}

// Options are what a Server is made of. Every field but Roots is required.
type Options struct {
	Dir    string // the spool in .spool, and USER/Maildir for each user
	Log    *slog.Logger
	People func() People // who they are now

	// TLS is offered in the household, and needed there to log in.
	TLS *tls.Config

	// Sign signs the digest of a message with the key of an own onion.
	Sign func(ctx context.Context, key onion.Address, digest [32]byte) ([]byte, error)

	// Dial connects to port 25 of a friend's home, through Tor. A fresh dial
	// shares no circuits with any other.
	Dial func(ctx context.Context, key onion.Address, fresh bool) (net.Conn, error)

	// Turn has dial called when it is its turn, which may take minutes, and returns
	// its error, or one of its own if it is not called.
	Turn func(ctx context.Context, key onion.Address, dial func() error) error

	// DialHost connects to a server of the internet, through Tor. A fresh dial
	// shares no circuits with any other.
	DialHost func(ctx context.Context, host string, port uint16, fresh bool) (net.Conn, error)

	// Roots are the certificates that a smarthost's is checked against; nil:
	// those of the system.
	Roots *x509.CertPool

	// Reason says in words why Dial failed, without the address.
	Reason func(error) string
}

// Config is what may change while the Server runs.
type Config struct {
	Home      onion.Address            // whose key signs, and where friends come
	Former    []onion.Address          // what Home was before, and still receives
	Strangers onion.Address            // where everybody may come; "" is nowhere
	Phones    []string                 // hosts of phones' onions, now and formerly: they stay in the house
	Friends   map[string]onion.Address // petname to home
	Groups    []Group
	Smarthost *Smarthost // nil: no mail goes to the internet
	MaxSize   int64      // bytes of one message
	Quota     int64      // bytes of one user's mail
}

// Server is the mail server. It is safe for concurrent use.
type Server struct {
	Options
	spool   *spool.Spool
	queue   *queue
	logins  throttle
	config  atomic.Pointer[settings]
	friends *crowd
	others  *crowd
	usage   usages

	entrances [2]*entrance

	mu    sync.Mutex
	doors map[doorName]*door
}

// settings are a Config with what follows from it.
type settings struct {
	Config
	book   address.Book
	groups map[string]Group
}

// Limits of what comes from outside. A friend's box opens a few connections at
// a time, each for many messages.
const (
	friendConns, friendConnsPerCircuit     = 64, 8
	strangerConns, strangerConnsPerCircuit = 16, 4
)

// conversationTime bounds one connection: 50 MB take 20 minutes at 40 kB/s.
const conversationTime = time.Hour

// New opens the spool. Nothing is served or delivered before Set and Run.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, doors: make(map[doorName]*door),
		friends: newCrowd(friendConnsPerCircuit, friendConns), others: newCrowd(strangerConnsPerCircuit, strangerConns)}
	var err error
	if s.spool, err = spool.Open(filepath.Join(o.Dir, ".spool"), o.Log); err != nil {
		return nil, err
	}
	if err := s.logins.Load(filepath.Join(o.Dir, ".logins")); err != nil {
		o.Log.Warn("the devices that have logged in before are not known", "error", err)
	}
	s.queue = newQueue(s)
	s.entrances = [2]*entrance{{s, friendsName}, {s, submissionName}}
	s.config.Store(&settings{})
	return s, nil
}

// Set replaces the configuration. Conversations under way go on under it.
func (s *Server) Set(c Config) {
	next := &settings{Config: c, book: address.Book{Own: c.Home, Peers: c.Friends}, groups: make(map[string]Group)}
	for _, g := range c.Groups {
		next.groups[g.Name] = g
	}
	before := s.config.Swap(next)
	s.shut(next)
	if !reflect.DeepEqual(before.Smarthost, next.Smarthost) { // that another one was not reached says nothing of it
		s.queue.flush(smarthostLane)
	}
	s.queue.sort()
}

// Run delivers what is in the spool until ctx ends.
func (s *Server) Run(ctx context.Context) error { return s.queue.run(ctx) }

// Close gives the spool up, when Run has returned.
func (s *Server) Close() error { return s.spool.Close() }

// Hello says that a friend's box is there: what waits for it is sent at once. It counts once in a minute.
func (s *Server) Hello(key onion.Address) {
	if s.queue.mayAsk(lane(key)) {
		s.queue.flush(lane(key))
	}
}

// now returns the configuration in force.
func (s *Server) now() *settings { return s.config.Load() }

// domain is the box's own in mail addresses.
func (c *settings) domain() string { return address.Domain(c.Home) }

// own reports whether mail for an onion is mail for this box.
func (c *settings) own(key onion.Address) bool {
	return key != "" && (key == c.Home || key == c.Strangers || slices.Contains(c.Former, key))
}

// maildir is where a user's mail lies.
func (s *Server) maildir(user string) string { return filepath.Join(s.Dir, user, "Maildir") }
