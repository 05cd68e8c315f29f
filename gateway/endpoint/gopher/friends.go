package gopher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tunic/gateway/endpoint"
)

// friendsName is the selector at which devices of the house search friends' holes.
const friendsName = "friends"

// Bounds of a search in friends' holes.
const (
	maxFriendSearches = 2  // at one time; a device that has all makes room for another
	maxFriendDials    = 16 // at one time, of a search
	maxFriendLines    = 200
	maxFriendAnswer   = 64 << 10 // bytes
	maxFriendWords    = 200      // bytes
	friendTime        = 20 * time.Second
)

// Friend is a friend's box, which may have a hole.
type Friend struct {
	Name string // the petname
	Host string // as the friend's own hole calls itself: "KEY.onion"
	Here string // as it is called in this house
	Dial func(ctx context.Context) (net.Conn, error)
}

// household is the server for devices of the house, who may search friends' holes: to
// friends their friends' friends are nothing.
type household struct {
	*Server
	friends func() []Friend
}

// Household is s for devices of the house.
func (s *Server) Household(friends func() []Friend) endpoint.Endpoint { return household{s, friends} }

// ServeConn implements endpoint.Endpoint.
func (h household) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	return h.serve(ctx, c, v, h.friends())
}

// offerFriends writes the line by which friends' holes are searched.
func (m *menu) offerFriends() {
	if len(m.friends) > 0 {
		m.item(kindSearch, "Search your friends' holes (they see what you look for)", selectorOf(friendsName))
	}
}

// askFriends has the holes of all friends searched, and shows what each says as it comes.
// Nothing of it is kept.
func (s *Server) askFriends(ctx context.Context, words string, m *menu) error {
	words = printable(words)
	if strings.TrimSpace(words) == "" || len(words) > maxFriendWords {
		m.fail("name the words to search for, 200 letters at most")
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leave, ok := s.friendSearches.Enter(m.visitor.ID, cancel)
	if !ok {
		m.fail("too many searches at this time, try again later")
		return nil
	}
	defer leave()
	answers := make(chan answer)
	dials := make(chan struct{}, maxFriendDials)
	for _, f := range m.friends {
		go func() {
			dials <- struct{}{}
			a := f.search(ctx, words)
			<-dials
			select {
			case answers <- a:
			case <-ctx.Done():
			}
		}()
	}
	for range m.friends {
		select {
		case a := <-answers:
			a.show(m)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := m.w.Flush(); err != nil {
			return fmt.Errorf("sending an answer: %w", err)
		}
	}
	m.end()
	return nil
}

// answer is what a friend's hole has said.
type answer struct {
	friend Friend
	found  []found
	err    error
}

// found is a line of it that leads to the friend's own hole.
type found struct {
	kind              kind
	display, selector string
	port              uint16
}

// search asks one friend's hole.
func (f Friend) search(ctx context.Context, words string) answer {
	ctx, cancel := context.WithTimeout(ctx, friendTime)
	defer cancel()
	a := answer{friend: f}
	c, err := f.Dial(ctx)
	if err != nil {
		a.err = err
		return a
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, a.err = fmt.Fprintf(c, "%s\t%s\r\n", selectorOf(searchName), words); a.err == nil {
		a.found, a.err = f.read(c)
	}
	return a
}

// read reads a menu (RFC 1436, section 3.8). What does not lead to the friend's own hole is
// left out: a friend does not lead devices of this house elsewhere.
func (f Friend) read(r io.Reader) (list []found, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxFriendAnswer))
	lines.Buffer(nil, maxFriendAnswer)
	for lines.Scan() && len(list) < maxFriendLines {
		text := strings.TrimSuffix(lines.Text(), "\r")
		if text == "." {
			return list, nil
		}
		fields := strings.Split(text, "\t")
		if len(fields) < 4 || fields[0] == "" || kind(fields[0][0]) == kindInfo || kind(fields[0][0]) == kindError {
			continue
		}
		port, bad := strconv.ParseUint(fields[3], 10, 16)
		selector := cleanSelector(fields[1])
		if bad != nil || leadsOut(selector) || !strings.EqualFold(fields[2], f.Host) || fields[0][0] < '!' || fields[0][0] > '~' {
			continue
		}
		list = append(list, found{kind(fields[0][0]), printable(fields[0][1:]), selector, uint16(port)})
	}
	return list, lines.Err()
}

// show writes what a friend's hole has said, each line with the friend's name in front.
func (a answer) show(m *menu) {
	for _, f := range a.found {
		m.link(f.kind, a.friend.Name+": "+f.display, f.selector, a.friend.Here, f.port)
	}
	switch {
	case len(a.found) > 0:
	case errors.Is(a.err, context.DeadlineExceeded):
		m.info(a.friend.Name + ": no answer in time.")
	case a.err != nil:
		m.info(a.friend.Name + ": not there now, or without a hole.")
	default:
		m.info(a.friend.Name + ": nothing was found.")
	}
}

// printable leaves of somebody else's words what a terminal shows as it is.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
