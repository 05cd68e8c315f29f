package smtp

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// Port 25 and port 587 (RFC 5321, RFC 6409) are the names of the two endpoints.
// Port 25 has a door of its own for strangers.
const (
	friendsName    = "smtp"
	submissionName = "submission"
	strangersName  = "strangers"
)

// maxLine is how long a line of a message may be. RFC 5321 allows 1,000 bytes;
// programs that write whole paragraphs in one line are many.
const maxLine = 64 << 10

// maxRecipients is for one transaction (RFC 5321, section 4.5.3.1.8).
const maxRecipients = 100

// maxRefusals ends a connection on which somebody guesses addresses.
const maxRefusals = 20

// Friends returns the endpoint for port 25 of the box's onions.
func (s *Server) Friends() endpoint.Endpoint { return s.entrances[0] }

// Submission returns the endpoint for port 587 in the household.
func (s *Server) Submission() endpoint.Endpoint { return s.entrances[1] }

// entrance is one of the two endpoints.
type entrance struct {
	*Server
	name string
}

func (e *entrance) Name() string { return e.name }

// ServeConn holds one conversation.
func (e *entrance) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	ctx, cancel := context.WithTimeout(ctx, conversationTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	d, crowd := e.enter(v)
	if d == nil {
		_, err := c.Write([]byte("421 4.3.2 " + errNotHere.Message + "\r\n"))
		return err
	}
	visit := &visit{Conn: c, ctx: ctx, visitor: v, door: d, over: make(chan struct{})}
	if crowd != nil {
		g, ok := crowd.enter(v.ID, func() { visit.Close() })
		if !ok {
			_, err := c.Write([]byte("421 4.7.0 " + errBusy.Message + "\r\n"))
			return err
		}
		defer g.leave()
		visit.guest = g
	}
	d.feed.serve(visit)
	return nil
}

// enter finds the door for a visitor, and the crowd there. There is none for an address that this box has not, or
// does not know of yet.
func (e *entrance) enter(v endpoint.Visitor) (*door, *crowd) {
	now := e.now()
	if e.name == submissionName {
		return e.door(submissionName, now.Home), nil
	}
	key, ok := address.Key(strings.ToLower(v.Host))
	switch {
	case !ok || !now.own(key):
		return nil, nil
	case key == now.Strangers:
		return e.door(strangersName, key), e.others
	}
	return e.door(friendsName, key), e.friends
}

// door is one go-smtp server: what it says in its greeting, and who may come.
// It is called by one address and knows of no other that the box has: who has
// one is not to find out here whether another is the same box's.
type door struct {
	*Server
	doorName
	domain string // of key
	server *gosmtp.Server
	feed   *feed
}

// doorName is what a door is for, and the onion by which it is reached.
type doorName struct {
	name string // "smtp", "strangers", "submission"
	key  onion.Address
}

// door returns a running door, or a new one.
func (s *Server) door(name string, key onion.Address) *door {
	s.mu.Lock()
	defer s.mu.Unlock()
	max := s.now().MaxSize
	id := doorName{name, key}
	if d := s.doors[id]; d != nil && d.server.MaxMessageBytes == max {
		return d
	}
	d := &door{Server: s, doorName: id, domain: address.Domain(key), feed: &feed{make(chan net.Conn), make(chan struct{})}}
	d.server = gosmtp.NewServer(d)
	d.server.Domain, d.server.MaxMessageBytes, d.server.MaxRecipients = d.domain, max, maxRecipients
	d.server.MaxLineLength = maxLine
	d.server.ErrorLog = quiet{s.Log.With("door", name)}
	if name == submissionName {
		d.server.TLSConfig = s.TLS
	}
	go d.server.Serve(d.feed)
	if old := s.doors[id]; old != nil {
		close(old.feed.gone) // it ends with its last visitor
	}
	s.doors[id] = d
	return d
}

// shut ends the doors at addresses that the box has no more.
func (s *Server) shut(now *settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range s.doors {
		if !now.own(id.key) {
			close(d.feed.gone)
			delete(s.doors, id)
		}
	}
}

// NewSession implements gosmtp.Backend.
func (d *door) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	raw := c.Conn()
	if t, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn()
	}
	v := raw.(*visit)
	if d.name == submissionName {
		return &submission{visit: v, encrypted: encrypted, conn: c}, nil
	}
	return &reception{visit: v, conn: c}, nil
}

// visit is a visitor's connection.
type visit struct {
	net.Conn
	ctx     context.Context
	visitor endpoint.Visitor
	door    *door
	once    sync.Once
	over    chan struct{} // closed when go-smtp is done with it

	guest   *guest // among those at the door; nil: in the household
	refused int    // commands; used by the session alone
}

// Close tells that the conversation is over.
func (v *visit) Close() error {
	v.once.Do(func() { close(v.over) })
	return v.Conn.Close()
}

// RemoteAddr hides who is calling from what go-smtp logs.
func (v *visit) RemoteAddr() net.Addr { return nobody{} }

// refuse counts refusals, and ends the connection when it is enough.
func (v *visit) refuse(err error) error {
	if v.refused++; v.refused > maxRefusals {
		v.Close()
		return errTries
	}
	return err
}

type nobody struct{}

func (nobody) Network() string { return "tcp" }
func (nobody) String() string  { return "visitor" }

// feed is a listener that hands go-smtp connections which others accepted.
type feed struct {
	conns chan net.Conn
	gone  chan struct{} // closed when nobody accepts any more
}

// serve hands one connection over and waits until it is done with.
func (f *feed) serve(v *visit) {
	select {
	case f.conns <- v:
		<-v.over
	case <-f.gone:
	case <-v.ctx.Done():
	}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.gone:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error   { return nil }
func (f *feed) Addr() net.Addr { return nobody{} }

// quiet is go-smtp's log: its lines tell of visitors that went away.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, _ ...any) { q.log.Debug("smtp server", "event", format) }
func (q quiet) Println(...any)                 { q.log.Debug("smtp server") }
