package smtp

import (
	"fmt"
	"io"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// maxHops is how many servers a message may have passed (RFC 5321, section
// 6.3, asks for a limit that is large).
const maxHops = 50

// reception is a conversation on port 25: a friend's box, or on the strangers'
// onion anybody, brings mail for the people of this one.
type reception struct {
	*visit
	conn *gosmtp.Conn

	from  address.Mailbox // zero: the null sender
	size  int64
	rcpts []address.Mailbox // with this box's usual domain
}

// Reset implements gosmtp.Session.
func (r *reception) Reset() { r.from, r.size, r.rcpts = address.Mailbox{}, 0, nil }

// Logout implements gosmtp.Session.
func (r *reception) Logout() error { return nil }

// strangers reports whether everybody may come through this door.
func (r *reception) strangers() bool { return r.door.name == strangersName }

// Mail takes the sender of the next message.
func (r *reception) Mail(from string, o *gosmtp.MailOptions) error {
	r.Reset()
	if err := r.door.room(o.Size); err != nil {
		return err
	}
	r.size = o.Size
	if from == "" {
		return nil // a notice; whose, its author says
	}
	m, err := address.Parse(from)
	if err != nil {
		return r.refuse(refusal(err))
	}
	if m.Domain, err = usual(m.Domain); err != nil {
		return r.refuse(refusal(err))
	}
	if err := r.welcome(m); err != nil {
		return r.refuse(err)
	}
	r.from = m
	return nil
}

// usual spells an onion's domain in the usual way.
func usual(domain string) (string, error) {
	key, ok := address.Key(domain)
	switch {
	case ok:
		return address.Domain(key), nil
	case strings.HasSuffix(domain, address.Suffix), strings.HasSuffix(domain, ".onion"):
		return "", address.ErrSyntax
	}
	return domain, nil
}

// welcome says whether a sender may bring mail through this door at all. That
// it is the sender is proved later.
func (r *reception) welcome(m address.Mailbox) error {
	now := r.door.now()
	key, isOnion := m.Key()
	switch {
	case key == r.door.key:
		return errSelf
	case r.strangers():
		return nil
	case !isOnion:
		return errAuthor
	case now.book.Petname(key) == "":
		return errSender
	}
	return nil
}

// Rcpt takes one recipient: somebody of this box, or a group of it.
func (r *reception) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	m, err := address.Parse(to)
	if err != nil {
		return r.refuse(refusal(err))
	}
	now := r.door.now()
	if key, ok := m.Key(); !ok || key != r.door.key {
		return r.refuse(errRelay)
	}
	m.Domain = now.domain()
	if err := r.door.recipient(m, r.from, r.size, r.strangers()); err != nil {
		return r.refuse(err)
	}
	r.rcpts = append(r.rcpts, m)
	return nil
}

// recipient says whether mail for a local address is taken from a sender.
func (s *Server) recipient(to, from address.Mailbox, size int64, stranger bool) error {
	boxes := s.People().Mailboxes(to.User())
	if len(boxes) == 0 {
		if err := s.now().mayWrite(to, from); err != nil {
			return err
		}
		return s.held(to.User(), size)
	}
	for _, user := range boxes {
		if s.full(user, size, stranger) {
			return errQuota
		}
	}
	return nil
}

// Data takes the message.
func (r *reception) Data(text io.Reader) error { return r.take(text, r.accept) }

// accept checks who the message is from and keeps it.
func (r *reception) accept(in *incoming) error {
	if len(in.header.All("Received")) > maxHops {
		return errLoop
	}
	claim, err := r.prove(in)
	if err != nil {
		return err
	}
	if !r.strangers() { // there everybody has as many onions as they like
		r.guest.prove(string(claim.key))
	}
	rcpts, seen, release, err := r.unseen(claim)
	if err != nil {
		return err
	}
	defer release()
	if len(rcpts) == 0 {
		return nil // all of it was here before: the sender has not heard of our "250"
	}
	now := r.door.now()
	e := &spool.Envelope{ID: spool.NewID(), From: r.from.String(), Origin: spool.Received, Arrived: time.Now(), Stranger: r.strangers(),
		Seen: seen, Recipients: waiting(rcpts...)}
	with := "ESMTP"
	trace := message.Header{
		message.New("Return-Path", "<"+r.from.String()+">"),
		received(claim.domain, r.door.domain, with, e.ID, e.Arrived),
		message.New("Authentication-Results", now.domain()+";\r\n\t"+claim.result),
	}
	header := in.header.Without("Authentication-Results", "Return-Path", "Delivered-To", "Bcc")
	if !now.hasGroup(rcpts) { // a group hands it on as its author signed it
		header = now.named(header)
	}
	return r.door.commit(e, trace, header, in.body)
}

// unseen leaves out the recipients for whom this very transfer was accepted
// before. A message without a name of its own is always new.
func (r *reception) unseen(c claim) (rcpts, seen []string, release func(), err error) {
	for _, m := range r.rcpts {
		rcpts = append(rcpts, m.String())
		if c.transfer != "" { // by the name that it has at this door: what comes in at others is not felt here
			seen = append(seen, spool.Key(string(c.key), c.transfer, strings.ToLower(m.Local+"@"+r.door.domain)))
		}
	}
	if c.transfer == "" {
		return rcpts, nil, func() {}, nil
	}
	isNew, release, ok := r.door.spool.Ledger().Claim(seen)
	if !ok {
		return nil, nil, nil, errAtOnce
	}
	n := 0
	for i := range rcpts {
		if isNew[i] {
			rcpts[n], seen[n] = rcpts[i], seen[i]
			n++
		}
	}
	return rcpts[:n], seen[:n], release, nil
}

// named gives the author a display name if there is none: whose box it is, as
// this house calls it. The address stays as it is.
func (c *settings) named(h message.Header) message.Header {
	authors, err := h.Authors()
	if err != nil || len(authors) != 1 {
		return h
	}
	m, err := address.Parse(authors[0])
	if err != nil {
		return h
	}
	key, _ := m.Key()
	petname := c.book.Petname(key)
	changed := append(message.Header{}, h...)
	for i, f := range changed {
		if f.Is("From") && petname != "" && !strings.ContainsAny(f.Value(), "<(\"") {
			changed[i] = message.New(f.Name, fmt.Sprintf("\"%s at %s\" <%s>", m.Local, petname, m))
		}
	}
	return changed
}

// keyOf is the onion of an address that somebody claims.
func keyOf(text string) (onion.Address, bool) {
	m, err := address.Parse(text)
	if err != nil {
		return "", false
	}
	return m.Key()
}
