package irc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Session is a conversation with the server as its operator (RFC 2812).
type Session struct {
	conn net.Conn
	in   *bufio.Scanner
}

// answerTime bounds one answer of the server.
const answerTime = 10 * time.Second

// Errors of a Session.
var (
	ErrNoNick   = errors.New("nobody has that nick")
	ErrRefused  = errors.New("the server refuses")
	errHungUp   = errors.New("the server hung up")
	errNoSecret = errors.New("the server does not take the operator's password: wait until it has been started anew")
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
	session := &Session{conn, bufio.NewScanner(conn)}
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

// Address returns where somebody comes from, which her cloak hides from others:
// an address in 127.0.0.0/8 that stands for a circuit or a device.
func (s *Session) Address(nick string) (string, error) {
	if err := s.say("WHOIS %s", nick); err != nil {
		return "", err
	}
	address, nobody := "", false
	for {
		m, err := s.until("378", "318", "401")
		switch {
		case err != nil:
			return "", err
		case m.command == "401":
			nobody = true
		case m.command == "378": // "is connecting from *@127.1.2.3 127.1.2.3"
			if words := strings.Fields(m.params[len(m.params)-1]); len(words) > 0 {
				address = words[len(words)-1]
			}
		case nobody:
			return "", ErrNoNick
		case address == "":
			return "", fmt.Errorf("%w: it does not say where %s comes from", ErrRefused, nick)
		default:
			return address, nil
		}
	}
}

// Ban ends what an address has open and lets it in no more for a while.
func (s *Session) Ban(address string, d time.Duration, reason string) error {
	return s.change("KLINE *!*@%s %d :%s", address, int(d/time.Second), reason)
}

// Kill ends what a nick has open now (RFC 2812, 3.7.1). In a test somebody idle was
// still there a minute after a KLINE alone.
func (s *Session) Kill(nick, reason string) error { return s.change("KILL %s :%s", nick, reason) }

// Unban ends a ban.
func (s *Session) Unban(address string) error { return s.change("KLINE *!*@%s", address) }

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
