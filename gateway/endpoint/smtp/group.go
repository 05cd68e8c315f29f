package smtp

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/dkim"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// Group is one address for several people. Its box sends everybody's mail on to
// all of them, who need not be friends of each other.
type Group struct {
	Name    string
	Title   string   // for people; "" is the name
	Members []string // LOCAL@DOMAIN, with KEY names
}

// bounces is what a group's box adds to its name for the sender in envelopes,
// so that failures go to those who run the box and not to the author.
const bounces = "-bounces"

// id is the group's List-Id (RFC 2919).
func (g Group) id(domain string) string { return "<" + g.Name + "." + domain + ">" }

// has reports whether an address belongs to a member, or is by which a member
// that is a group itself sends on.
func (g Group) has(m address.Mailbox) bool {
	return slices.ContainsFunc(g.Members, func(member string) bool {
		return strings.EqualFold(member, m.String()) || strings.EqualFold(member, strings.TrimSuffix(m.User(), bounces)+"@"+m.Domain)
	})
}

// mayWrite says whether a sender's mail for an address that is no user's is
// taken: it is a group's, and the sender a member.
func (c *settings) mayWrite(to, from address.Mailbox) error {
	if name, ok := strings.CutSuffix(to.User(), bounces); ok && from == (address.Mailbox{}) {
		if _, isGroup := c.groups[name]; isGroup {
			return nil
		}
	}
	g, ok := c.groups[to.User()]
	switch {
	case !ok:
		return errNoUser
	case !g.has(from):
		return errNoMember
	}
	return nil
}

// hasGroup reports whether one of the recipients is a group.
func (c *settings) hasGroup(rcpts []string) bool {
	return slices.ContainsFunc(rcpts, func(to string) bool {
		m, err := address.Parse(to)
		_, ok := c.groups[m.User()]
		return err == nil && ok
	})
}

// expand sends a message that waits for a group to its members, as a message of
// its own: signed by this box, with the author's signature still good. One that
// has been here before ends here.
func (s *Server) expand(ctx context.Context, e *spool.Envelope, g Group) error {
	f, err := s.spool.Content(e.ID)
	if err != nil {
		return err
	}
	defer f.Close()
	header, body, err := s.reread(f)
	if err != nil {
		return err
	}
	defer body.Close()
	now := s.now()
	listID := g.id(now.domain())
	if slices.ContainsFunc(header.All("List-Id"), func(f message.Field) bool { return strings.Contains(f.Value(), listID) }) {
		return nil
	}
	next := &spool.Envelope{ID: derive(e.ID, "group", g.Name), From: g.Name + bounces + "@" + now.domain(), Origin: spool.Relayed,
		Arrived: time.Now(), Recipients: waiting(g.Members...)}
	post := g.Name + "@" + now.domain()
	fields := message.Header{
		message.New("List-Id", strings.TrimSpace(listTitle(g)+" "+listID)),
		message.New("List-Post", "<mailto:"+post+">"),
		message.New("Precedence", "list"),
		message.New(transferField, "<"+next.ID+"@"+now.domain()+">"),
	}
	header = append(fields, header.Without("Return-Path")...)
	signature, err := s.sign(ctx, header, body, "List-Id", "List-Id", "List-Post", "List-Post")
	if err != nil {
		return err
	}
	return s.commit(next, message.Header{signature}, header, body)
}

// listTitle is the phrase before a List-Id; only plain letters need no quotes.
func listTitle(g Group) string {
	if g.Title == "" {
		return ""
	}
	return fmt.Sprintf("%q", strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '-'
		}
		return r
	}, g.Title))
}

// reread splits the content of a message of the spool again.
func (s *Server) reread(f *os.File) (message.Header, *spool.Draft, error) {
	buffered := bufio.NewReader(f)
	header, err := message.Read(buffered)
	if err != nil {
		return nil, nil, err
	}
	body := s.spool.Draft()
	if _, err := buffered.WriteTo(body); err != nil {
		body.Close()
		return nil, nil, err
	}
	return header, body, nil
}

// sign returns the signature of this box.
func (s *Server) sign(ctx context.Context, h message.Header, body *spool.Draft, extra ...string) (message.Field, error) {
	text, err := body.Reader()
	if err != nil {
		return message.Field{}, err
	}
	key := s.now().Home
	for range h.All(transferField) {
		extra = append(extra, transferField)
	}
	field, err := dkim.Sign(key, func(digest [32]byte) ([]byte, error) { return s.Sign(ctx, key, digest) }, h.String(), text, extra...)
	if err != nil {
		return message.Field{}, fmt.Errorf("%w: %w", errSigning, err)
	}
	return message.Field{Name: "DKIM-Signature", Raw: field}, nil
}

// derive names a message that follows from another, the same each time.
func derive(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
