// Package mux is how friends' boxes use each other's services: TCPMUX (RFC 1078) inside
// of TLS 1.3 in which both sides show certificates of their home onions' keys
// (docs/onion-certificates.md).
//
// The one who calls writes the name of a service and CRLF; the answer is "+" or "-" and
// words, CRLF; after a "+" both sides are the service's. Who calls is proved before a
// byte of that is read. Whoever has no right to a service hears what whoever asks for one
// that is not there does.
package mux

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Protocol is what TLS calls it (ALPN, RFC 7301).
const Protocol = "tcpmux"

// Help is the word that asks for a list (RFC 1078); no service is called so.
const Help = "help"

// Bounds of lines, in bytes without their end.
const (
	maxRequest = 64
	maxReply   = 200
	maxList    = 64 // lines
)

// namePattern is what the name of a service looks like.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$`)

// ErrRefused is the answer "-": the other box has no such service for this one, or it
// does not work. What it says is in the error's text; ErrNone is the former.
var ErrRefused = errors.New("refused")

// Words are a refusal that the other box reads: one line of ASCII, 200 bytes at most.
type Words string

// Error implements error.
func (w Words) Error() string { return string(w) }

var errLine = errors.New("no line of this protocol came")

// line reads up to the end of a line, LF or CRLF, and nothing behind it. Control
// characters make it none.
func line(r io.Reader, most int) (string, error) {
	var text []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		switch c := b[0]; {
		case c == '\n':
			return strings.TrimSuffix(string(text), "\r"), nil
		case len(text) > most, c < ' ' && c != '\r', c == 0x7f, len(text) > 0 && text[len(text)-1] == '\r':
			return "", errLine
		}
		text = append(text, b[0])
	}
}

// ReadRequest reads the name of the service that is asked for, in small letters. An error
// that is none of r's says that it is none.
func ReadRequest(r io.Reader) (string, error) {
	text, err := line(r, maxRequest)
	if err != nil {
		return "", err
	}
	name := strings.ToLower(text) // "not case sensitive"
	if !namePattern.MatchString(name) {
		return "", errLine
	}
	return name, nil
}

// Ask asks for a service on a connection that is the other box's, and returns when it is
// given. The error is ErrRefused if it is not.
func Ask(c io.ReadWriter, service string) error {
	if _, err := io.WriteString(c, service+"\r\n"); err != nil {
		return err
	}
	text, err := line(c, maxReply)
	switch {
	case err != nil:
		return fmt.Errorf("waiting for the answer: %w", err)
	case strings.HasPrefix(text, "+"):
		return nil
	case strings.HasPrefix(text, "-"):
		words := printable(strings.TrimSpace(text[1:]))
		if words == ErrNone.Error() {
			return fmt.Errorf("%w: %w", ErrRefused, ErrNone)
		}
		return fmt.Errorf("%w: %w", ErrRefused, Words(words))
	}
	return errLine
}

// printable leaves of a friend's words what a terminal shows as it is.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// List asks for the names of the services that there are for this box.
func List(c io.ReadWriter) (names []string, err error) {
	if _, err := io.WriteString(c, Help+"\r\n"); err != nil {
		return nil, err
	}
	for len(names) < maxList {
		text, err := line(c, maxReply)
		switch {
		case errors.Is(err, io.EOF):
			return names, nil
		case err != nil:
			return nil, err
		case strings.HasPrefix(text, "-"):
			return nil, fmt.Errorf("%w: %s", ErrRefused, printable(strings.TrimSpace(text[1:])))
		case namePattern.MatchString(text):
			names = append(names, text)
		}
	}
	return names, nil
}
