package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/endpoint/smtp"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/socks"
	"tunic/gateway/talk"
)

// How long a friend's box is called from a table, and how long a call of theirs may have to
// wait for that. Both are less than mux gives a caller.
const (
	tableCall = 35 * time.Second
	tableHold = 40 * time.Second
)

// firstTime bounds how long a device takes to say what it wants at port 1.
const firstTime = 45 * time.Second

// maxFirst bounds the first line of a device at port 1, in bytes.
const maxFirst = 64

// tables are this house's, for those who sit down by a word to their own box.
type tables struct{ *services }

// Name implements endpoint.Endpoint.
func (tables) Name() string { return "tables" }

// ServeConn implements endpoint.Endpoint: TCPMUX (RFC 1078), whose services are "talk FRIEND".
func (t tables) ServeConn(ctx context.Context, c net.Conn, _ endpoint.Visitor) error {
	first, whole, err := firstLine(c)
	if err != nil {
		return err
	}
	verb, name, _ := strings.Cut(first, " ")
	friend, ok := t.called(strings.ToLower(strings.TrimSpace(name)))
	switch {
	case strings.EqualFold(verb, mux.Help):
		_, err = io.WriteString(c, strings.Join(append(t.talkers(), ""), "\r\n"))
		return err
	case !strings.EqualFold(verb, config.TalkService), strings.TrimSpace(name) == "":
		_, err = io.WriteString(c, "-write: talk FRIEND\r\n")
	case !ok:
		_, err = fmt.Fprintf(c, "-no friend is called so; HELP lists your friends\r\n")
	default:
		return t.sit(ctx, whole, friend)
	}
	return err
}

// firstLine reads a device's first line, without its end, and returns the connection as if
// nothing had been read of it behind that line; all of it, if there was no line.
func firstLine(c net.Conn) (first string, whole net.Conn, err error) {
	if err := c.SetReadDeadline(time.Now().Add(firstTime)); err != nil {
		return "", nil, err
	}
	var said []byte
	b := make([]byte, 1)
	for len(said) < maxFirst && !bytes.HasSuffix(said, []byte("\n")) {
		if _, err := io.ReadFull(c, b); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", nil, err
		}
		said = append(said, b[0])
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return "", nil, err
	}
	if line, ok := bytes.CutSuffix(said, []byte("\n")); ok {
		return strings.TrimSuffix(string(line), "\r"), c, nil
	}
	return string(said), &replayed{Conn: c, r: io.MultiReader(bytes.NewReader(said), c)}, nil
}

// again is the connection with its first line.
func again(first string, whole net.Conn) net.Conn {
	if r, ok := whole.(*replayed); ok {
		return r
	}
	return &replayed{Conn: whole, r: io.MultiReader(strings.NewReader(first+"\r\n"), whole)}
}

// table is the service of the friends' tables; false: there are none.
func (s *services) table() (link.OwnService, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.own, func(o link.OwnService) bool { return o.Talk })
	if i < 0 {
		return link.OwnService{}, false
	}
	return s.own[i], true
}

// talkers are the words for each friend.
func (s *services) talkers() (list []string) {
	t, _ := s.table()
	for _, f := range t.Friends {
		list = append(list, config.TalkService+" "+f.Name)
	}
	return list
}

// called is the friend of a name.
func (s *services) called(name string) (friend link.Key, ok bool) {
	t, _ := s.table()
	i := slices.IndexFunc(t.Friends, func(f link.ServiceFriend) bool { return f.Name == name })
	if i < 0 {
		return friend, false
	}
	return t.Friends[i].Onion, true
}

// sitting is somebody of the house at a friend's table.
type sitting struct {
	friend link.Key
	end    context.CancelFunc
}

// sit has somebody of the house wait for a friend, whose box is called, and talk.
func (s *services) sit(ctx context.Context, c net.Conn, friend link.Key) error {
	ctx, cancel := context.WithTimeout(ctx, talkTime)
	defer cancel()
	name, leave, ok := s.sitDown(&sitting{friend, cancel})
	if !ok {
		_, err := io.WriteString(c, "-nobody of this house talks with friends: talk in [gateway] of tunic.toml\r\n")
		return err
	}
	defer leave()
	err := s.tables.Sit(ctx, c, talk.Friend[link.Key]{ID: friend, Name: name, First: s.first(friend),
		Call: func(ctx context.Context) (io.ReadWriteCloser, error) {
			ctx, cancel := context.WithTimeout(ctx, tableCall)
			defer cancel()
			return s.abroad.call(ctx, remote(c), friend, config.TalkService)
		},
		Missed: func(err error) string { return missed(err, name) },
	}, func() { s.met(friend) })
	if errors.Is(err, talk.ErrTaken) {
		_, err = fmt.Fprintf(c, "-somebody of this house sits at the table for %s already\r\n", name)
	}
	return err
}

// talkTime bounds a talk, with the waiting for it.
const talkTime = 12 * time.Hour

// sitDown notes who sits at a table, so that they can be ended with the friendship.
func (s *services) sitDown(who *sitting) (petname string, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, petname, ok = find(s.own, who.friend, config.TalkService)
	if !ok {
		return "", nil, false
	}
	if s.sitters == nil {
		s.sitters = make(map[*sitting]struct{})
	}
	s.sitters[who] = struct{}{}
	return petname, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sitters, who)
	}, true
}

// first says whose call counts when two boxes call each other at the same time.
func (s *services) first(friend link.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Compare(s.home[:], friend[:]) < 0
}

// missed says why a call of a friend's table was in vain, and what else there is.
func missed(err error, name string) string {
	var words mux.Words
	switch {
	case errors.Is(err, mux.ErrNone):
		return fmt.Sprintf("%s's box has no table for you: it is older, or its people want none.", name)
	case errors.As(err, &words):
		return fmt.Sprintf("%s's box says: %s. You go on waiting.", name, words)
	case errors.Is(err, errNoCertificate):
		return fmt.Sprintf("This box has no certificate yet, and cannot call %s's. You go on waiting.", name)
	}
	return fmt.Sprintf("%s's box was not reached: %s. You go on waiting; mail and `tunic send` wait too.", name, socks.Reason(err))
}

// askedAt has a friend talk with who waits for them.
func (s *services) askedAt(ctx context.Context, o *opened, petname string) error {
	ctx, cancel := context.WithTimeout(ctx, tableHold)
	defer cancel()
	fromFriend, in := io.Pipe()
	out, toFriend := io.Pipe()
	switch err := s.tables.Answer(ctx, o.friend, &caller{fromFriend, toFriend}); {
	case errors.Is(err, talk.ErrNobody):
		s.knock(o.friend, petname)
		return mux.Words("nobody is at the table; the box tells its people that you called")
	case err != nil:
		return mux.Words("somebody talks at this table already")
	}
	o.ReadWriteCloser, o.half, o.fine = &sender{out, in}, in.Close, func() bool { return true }
	return nil
}

// caller is a friend's stream for who talks with them.
type caller struct {
	*io.PipeReader
	out *io.PipeWriter
}

func (c *caller) Write(p []byte) (int, error) { return c.out.Write(p) }

func (c *caller) Close() error {
	return errors.Join(c.PipeReader.CloseWithError(io.ErrClosedPipe), c.out.Close())
}

// knockPause is how long a friend's next knock is no mail.
const knockPause = time.Hour

// knocked is when a friend found nobody, zero if they have talked since, and was mailed.
type knocked struct{ at, mailed time.Time }

// knock has the house told that a friend wants to talk: by the status, and once an hour by
// mail to the admins of this box, to whom the friend may write anyway.
func (s *services) knock(friend link.Key, petname string) {
	now := time.Now()
	s.mu.Lock()
	if s.knocks == nil {
		s.knocks = make(map[link.Key]knocked)
	}
	k := s.knocks[friend]
	mail := now.Sub(k.mailed) >= knockPause
	if k.at = now; mail {
		k.mailed = now
	}
	s.knocks[friend] = k
	s.mu.Unlock()
	if p := s.smtp.get(); p != nil && mail {
		if err := p.TellAdmins(knockMail(friend, petname, now)); err != nil {
			s.log.Warn("nobody was told by mail that a friend wants to talk", "friend", petname, "error", err)
		}
	}
}

func knockMail(friend link.Key, petname string, now time.Time) smtp.BoxNotice {
	return smtp.BoxNotice{ID: fmt.Sprintf("talk %s %d", peer.Key(friend).Address(), now.Unix()), At: now.UTC().Truncate(time.Second),
		Subject: petname + " wants to talk",
		Text: fmt.Sprintf("%s asked for you and found nobody at the table. On any device of the house:\n\n"+
			"    rlwrap nc %s 1\n    talk %s\n\nor, on the box, `sudo tunic chat %s`. %s's box is called then.\n",
			petname, config.BoxName, petname, petname, petname)}
}

// met forgets a friend's knock.
func (s *services) met(friend link.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.knocks[friend]; ok {
		k.at = time.Time{}
		s.knocks[friend] = k
	}
}

// knockers are the friends who found nobody.
func (s *services) knockers() (list []link.Knock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for friend, k := range s.knocks {
		if !k.at.IsZero() {
			list = append(list, link.Knock{Friend: friend, At: k.at})
		}
	}
	slices.SortFunc(list, func(a, b link.Knock) int { return bytes.Compare(a.Friend[:], b.Friend[:]) })
	return list
}

// endTalks ends those of friends who have no table any more, and forgets their knocks.
// s.mu is held.
func (s *services) endTalks() {
	may := func(friend link.Key) bool {
		_, _, ok := find(s.own, friend, config.TalkService)
		return ok
	}
	for who := range s.sitters {
		if !may(who.friend) {
			who.end()
		}
	}
	for friend := range s.knocks {
		if !may(friend) {
			delete(s.knocks, friend)
		}
	}
}

// serveTables serves the tables to the box itself.
func (a *application) serveTables(ctx context.Context, f *os.File) error {
	ln, err := a.listen(f)
	if err != nil {
		return err
	}
	return endpoint.Serve(ctx, ln, tables{a.services}, a.services.limits.of("tables"),
		func(net.Conn) endpoint.Visitor { return endpoint.Visitor{} }, a.log)
}
