package drop

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// ErrRefused is the answer "-" of the other box. What it says is in the error's text.
var ErrRefused = errors.New("refused")

// ErrShorter says that a file has ended before its announced size.
var ErrShorter = errors.New("the file has become shorter")

// Send sends a file on a connection to the service, and returns the name that it has got
// at the other box, when that has it on its disk. ErrRefused says that it is useless to
// try again as long as nothing changes.
func Send(c io.ReadWriter, h Header, r io.Reader) (kept string, err error) {
	if _, err := fmt.Fprintf(c, "%s\r\n", h); err != nil {
		return "", fmt.Errorf("announcing the file: %w", err)
	}
	if _, err := reply(c); err != nil {
		return "", err
	}
	if n, err := io.CopyN(c, r, h.Size); errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: %d bytes of %d", ErrShorter, n, h.Size)
	} else if err != nil {
		return "", fmt.Errorf("sending the file: %w", err)
	}
	return reply(c)
}

// reply reads an answer, and its words without what is not for terminals.
func reply(c io.Reader) (string, error) {
	text, err := line(c, maxReply)
	if err != nil {
		return "", fmt.Errorf("waiting for the answer: %w", err)
	}
	words := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimLeft(text, "+-"))
	switch {
	case strings.HasPrefix(text, "+"):
		return words, nil
	case strings.HasPrefix(text, "-"):
		return "", fmt.Errorf("%w: %s", ErrRefused, words)
	}
	return "", errHeader
}
