// Package probe finds out whether a server speaks the protocol that it is said
// to speak, by the least that makes it say so: it reads a banner, or asks what
// every client asks first, and hangs up.
//
// Use it for the targets of onions. It logs in nowhere, changes nothing and
// dials nothing: the caller gives the connection. What a server says of itself
// comes back as one short line of printable text.
package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// Timeout is plenty for a server on the LAN, also for one that wakes its disk.
const Timeout = 5 * time.Second

// maxAnswer bounds what is read of a server.
const maxAnswer = 16 << 10

// Result is what a server said.
type Result struct {
	Saw string // "SSH-2.0-OpenSSH_9.2p1", "HTTP 200, nginx"; may be empty

	// RefusesName: a web application answered that it does not serve the name
	// that visitors use (status 400 or 421).
	RefusesName bool
}

// ErrOther is in the error of Check for a server that speaks, but something
// else.
var ErrOther = errors.New("it speaks another protocol")

// errNothing is for a server that took the connection and says nothing.
var errNothing = errors.New("it takes connections, but says nothing")

// converse is one protocol. host is the name that visitors use.
type converse func(c *conversation, host string) (Result, error)

// protocols are all that can be probed. With "tcp" a connection is enough.
var protocols = map[string]converse{
	"tcp":         func(*conversation, string) (Result, error) { return Result{}, nil },
	"tls":         checkTLS,
	"http":        checkHTTP,
	"https":       checkHTTPS,
	"ssh":         checkSSH,
	"smtp":        banner("220"),  // RFC 5321, section 4.3.1
	"imap":        banner("* OK"), // RFC 9051, section 7.1.1
	"vnc":         banner("RFB "), // RFC 6143, section 7.1.1
	"rsync":       banner("@RSYNCD:"),
	"irc":         checkIRC,
	"xmpp-client": checkXMPP("jabber:client"),
	"xmpp-server": checkXMPP("jabber:server"),
	"gopher":      checkGopher,
	"rdp":         checkRDP,
	"minecraft":   checkMinecraft,
	"9p":          check9P,
	"smb":         checkSMB,
}

// Kinds lists the protocols, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(protocols)) }

// Check converses with the server at the other end of c, and returns within
// Timeout or when ctx ends. It leaves the closing of c to the caller.
func Check(ctx context.Context, c net.Conn, kind, host string) (Result, error) {
	check, ok := protocols[kind]
	if !ok {
		return Result{}, fmt.Errorf("probing a server: no protocol is called %q", kind)
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r, err := check(newConversation(c), host)
	r.Saw = Line(r.Saw)
	return r, err
}

// conversation is a connection of which a bounded number of bytes is read.
type conversation struct {
	net.Conn
	r *bufio.Reader
}

func newConversation(c net.Conn) *conversation {
	return &conversation{c, bufio.NewReader(io.LimitReader(c, maxAnswer))}
}

// say sends a text and reports a failure in words. On a busy box the time can be over before.
func (c *conversation) say(text string) error {
	_, err := io.WriteString(c, text)
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return errNothing
	}
	return fmt.Errorf("it hangs up at once: %w", bare(err))
}

// line reads one line, its end not included.
func (c *conversation) line() (string, error) {
	text, err := c.r.ReadString('\n')
	if err != nil && text == "" {
		return "", silence(err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// bytes reads just as many.
func (c *conversation) bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	read, err := io.ReadFull(c.r, b)
	switch {
	case err == nil:
		return b, nil
	case read > 0:
		return nil, ErrOther
	}
	return nil, silence(err)
}

// silence says how a server did not answer.
func silence(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it takes connections and closes them at once")
	}
	if isTimeout(err) {
		return errNothing
	}
	return fmt.Errorf("it breaks off: %w", bare(err))
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// bare is an error without the addresses in it.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// banner wants a server that speaks first, and a first line that begins so.
func banner(prefix string) converse {
	return func(c *conversation, _ string) (Result, error) {
		text, err := c.line()
		if err == nil && !strings.HasPrefix(text, prefix) {
			err = fmt.Errorf("%w: it says %q", ErrOther, Line(text))
		}
		return Result{Saw: text}, err
	}
}

// maxBefore is how many lines an SSH server may say before its version (RFC
// 4253, section 4.2, has no bound).
const maxBefore = 16

// checkSSH passes over what the server says before its version.
func checkSSH(c *conversation, _ string) (Result, error) {
	first := ""
	for range maxBefore {
		text, err := c.line()
		switch {
		case strings.HasPrefix(text, "SSH-"):
			return Result{Saw: text}, err
		case err != nil && first == "":
			return Result{Saw: text}, err
		case err != nil:
			return Result{Saw: first}, fmt.Errorf("%w: it says %q", ErrOther, Line(first))
		case first == "":
			first = text
		}
	}
	return Result{Saw: first}, fmt.Errorf("%w: it says %q", ErrOther, Line(first))
}

// maxLine bounds what is kept of what a server says.
const maxLine = 80

// Line makes one short line of printable text out of whatever a server said.
func Line(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 4*maxLine)], "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	return string(runes[:min(len(runes), maxLine)])
}
