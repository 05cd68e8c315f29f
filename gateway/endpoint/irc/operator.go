package irc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Session is a conversation with the server as its operator (RFC 2812).
type Session struct {
	nick string
	conn net.Conn
	in   *bufio.Scanner
}

// answerTime bounds one answer of the server.
const answerTime = 10 * time.Second

// Errors of a Session.
var (
	ErrNobody   = errors.New("nobody like that is connected")
	ErrOwn      = errors.New("that is the session's own")
	ErrRefused  = errors.New("the server refuses")
	errHungUp   = errors.New("the server hung up")
	errNoSecret = errors.New("the server does not take the operator's password: wait until it has been started again")
)

// message is one line of the server's.
type message struct {
	command string
	params  []string
}

// parse reads a line (RFC 2812, 2.3.1).
func parse(line string) message {
	if strings.HasPrefix(line, ":") {
		_, line, _ = strings.Cut(line, " ")
	}
	var m message
	head, last, trailing := strings.Cut(line, " :")
	if fields := strings.Fields(head); len(fields) > 0 {
		m.command, m.params = fields[0], fields[1:]
	}
	if trailing {
		m.params = append(m.params, last)
	}
	return m
}

// LogIn makes a session of a connection to the server. nick must be free.
func LogIn(conn net.Conn, nick string, s Secrets) (*Session, error) {
	session := &Session{nick, conn, bufio.NewScanner(conn)}
	err := session.say("NICK %s", nick)
	if err == nil {
		err = session.say("USER %s 0 * :%s", Operator, Operator)
	}
	if err == nil {
		_, err = session.until("376", "422") // the message of the day, or that there is none
	}
	if err == nil {
		err = session.say("OPER %s %s", Operator, s.Operator)
	}
	if err != nil {
		return nil, err
	}
	m, err := session.until("381", "464", "491")
	if err == nil && m.command != "381" {
		err = errNoSecret
	}
	return session, err
}

func (s *Session) say(format string, args ...any) error {
	if err := s.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.conn, format+"\r\n", args...)
	return err
}

// until reads to the first of these answers. Others in between are for clients.
func (s *Session) until(commands ...string) (message, error) {
	for s.in.Scan() {
		m := parse(s.in.Text())
		if m.command == "PING" && len(m.params) > 0 {
			if err := s.say("PONG :%s", m.params[len(m.params)-1]); err != nil {
				return m, err
			}
		}
		if m.command == "ERROR" {
			return m, fmt.Errorf("%w: %s", ErrRefused, strings.Join(m.params, " "))
		}
		for _, c := range commands {
			if m.command == c {
				return m, nil
			}
		}
	}
	if err := s.in.Err(); err != nil {
		return message{}, err
	}
	return message{}, errHungUp
}

// Everybody who is connected has a cloak in the place of the address, which others
// see and by which the server itself knows clients: a ban of an address would match
// nobody (CloakHost, ngircd.conf(5)). Equal addresses have equal cloaks, so a cloak
// stands for a circuit or a device.

// client is somebody who is connected.
type client struct{ nick, cloak string }

// connected lists everybody; operators are told of those too who hide.
func (s *Session) connected() (list []client, err error) {
	if err := s.say("STATS L"); err != nil {
		return nil, err
	}
	for {
		m, err := s.until("211", "219")
		if err != nil || m.command == "219" {
			return list, err
		}
		if len(m.params) > 1 { // "op bob!bob@u.f0ee88a3 0 20 1603 4 64 :2"
			nick, _, _ := strings.Cut(m.params[1], "!")
			_, cloak, _ := strings.Cut(m.params[1], "@")
			list = append(list, client{nick, cloak})
		}
	}
}

// Cloak returns the cloak of a nick, in any case of letters. The error is
// ErrNobody if nobody is called that, and ErrOwn if it is the session's own.
func (s *Session) Cloak(nick string) (string, error) {
	return s.find(func(c client) (bool, error) { return strings.EqualFold(c.nick, nick), nil })
}

// CloakOf returns the cloak of those who come from an address that is not the
// session's. The error is ErrNobody if nobody does.
func (s *Session) CloakOf(address string) (string, error) {
	asked := make(map[string]bool)
	return s.find(func(c client) (bool, error) {
		if asked[c.cloak] || c.nick == s.nick {
			return false, nil
		}
		asked[c.cloak] = true
		found, err := s.address(c.nick)
		return found == address, err
	})
}

// find returns the cloak of the first who is looked for.
func (s *Session) find(looked func(client) (bool, error)) (string, error) {
	everybody, err := s.connected()
	if err != nil {
		return "", err
	}
	for _, c := range everybody {
		is, err := looked(c)
		switch {
		case err != nil:
			return "", err
		case is && slices.Contains(everybody, client{s.nick, c.cloak}):
			return "", ErrOwn
		case is:
			return c.cloak, nil
		}
	}
	return "", ErrNobody
}

// address returns where somebody comes from; nowhere if that one is gone.
func (s *Session) address(nick string) (string, error) {
	if err := s.say("WHOIS %s", nick); err != nil {
		return "", err
	}
	address := ""
	for {
		m, err := s.until("378", "318")
		if err != nil || m.command == "318" {
			return address, err
		}
		// "is connecting from *@u.f0ee88a3 127.1.2.3"
		if words := strings.Fields(m.params[len(m.params)-1]); len(words) > 0 {
			address = words[len(words)-1]
		}
	}
}

// Ban lets a cloak in no more for a while, and ends what it has open: the server
// looks at bans when somebody comes, and at those who are there when they speak.
func (s *Session) Ban(cloak string, d time.Duration, reason string) error {
	if err := s.change("KLINE *!*@%s %d :%s", cloak, int(d/time.Second), reason); err != nil {
		return err
	}
	everybody, err := s.connected()
	for _, c := range everybody {
		if c.cloak == cloak {
			err = errors.Join(err, s.change("KILL %s :%s", c.nick, reason)) // RFC 2812, 3.7.1
		}
	}
	return err
}

// Unban ends a ban.
func (s *Session) Unban(cloak string) error { return s.change("KLINE *!*@%s", cloak) }

// change sends a command and waits until the server has worked on it.
func (s *Session) change(format string, args ...any) error {
	if err := s.say(format, args...); err != nil {
		return err
	}
	const done = "tunic-done"
	if err := s.say("PING %s", done); err != nil {
		return err
	}
	var refused error
	for {
		m, err := s.until("PONG", "481", "461")
		if err != nil || m.command == "PONG" {
			return errors.Join(refused, err)
		}
		refused = fmt.Errorf("%w: %s", ErrRefused, strings.Join(m.params, " "))
	}
}

// Bans lists who is not let in.
func (s *Session) Bans() ([]string, error) {
	if err := s.say("STATS k"); err != nil {
		return nil, err
	}
	var list []string
	for {
		m, err := s.until("216", "219")
		switch {
		case err != nil:
			return nil, err
		case m.command == "219":
			return list, nil
		case len(m.params) > 2:
			list = append(list, strings.TrimPrefix(m.params[2], "*!*@"))
		}
	}
}

// Close ends the session.
func (s *Session) Close() error {
	_ = s.say("QUIT")
	return s.conn.Close()
}
