// Package talk is a talk of two people, line by line: one sits at a table of their house
// (House), the other is a friend whose box asks for it, or who sits at the table there.
//
// Between the boxes go lines of UTF-8 and nothing else; the end of the stream is that
// somebody has left. Each box takes out of the friend's lines what could steer a
// terminal, and puts the friend's name in front, so that nobody has to trust the other
// box with either. Lines that begin with "* " are the box's own.
package talk

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a line, in bytes. A longer one becomes several.
const maxLine = 2000

// place is where in an escape sequence (ECMA-48) a text is.
type place uint8

const (
	text      place = iota
	escape          // behind ESC
	control         // in a control sequence, CSI
	str             // in a string that a control has opened: OSC, DCS, SOS, PM, APC
	strEscape       // behind an ESC in it
)

// Lines takes lines out of what somebody sends: without control characters, escape
// sequences, and marks that turn the direction of a text, and none that is empty.
type Lines struct {
	r  *bufio.Reader
	at place

	line []byte
	held rune // the first of the next line, 0: none
}

// newLines reads from r.
func newLines(r io.Reader) *Lines { return &Lines{r: bufio.NewReaderSize(r, maxLine)} }

// Next waits for a line and returns it without its end. What is left when r ends is a
// line too; then the error is r's.
func (l *Lines) Next() (string, error) {
	l.line = l.line[:0]
	if l.held != 0 {
		l.line, l.held = utf8.AppendRune(l.line, l.held), 0
	}
	for {
		r, _, err := l.r.ReadRune()
		switch {
		case err != nil && len(l.line) > 0:
			return string(l.line), nil
		case err != nil:
			return "", err
		case r == '\n':
			l.at = text
			if len(l.line) > 0 {
				return string(l.line), nil
			}
			continue
		}
		if r = shown(l.step(r)); r == 0 {
			continue
		}
		if len(l.line)+utf8.RuneLen(r) > maxLine {
			l.held = r
			return string(l.line), nil
		}
		l.line = utf8.AppendRune(l.line, r)
	}
}

// step follows escape sequences, and returns 0 for what belongs to one.
func (l *Lines) step(r rune) rune {
	if l.at == str {
		switch r {
		case '\a', 0x9c: // BEL, ST
			l.at = text
		case 0x1b:
			l.at = strEscape
		}
		return 0
	}
	if next, ok := openers[r]; ok { // whatever was before it
		l.at = next
		return 0
	}
	switch l.at {
	case escape, strEscape:
		l.at = afterEscape(r)
	case control:
		if r >= '@' && r <= '~' {
			l.at = text
			return 0
		}
		if r < ' ' || r > '?' {
			l.at = text
			return r
		}
	default:
		return r
	}
	if r > '~' {
		return r
	}
	return 0
}

// openers begin a sequence: ESC, and the controls of eight bits.
var openers = map[rune]place{0x1b: escape, 0x9b: control, 0x90: str, 0x98: str, 0x9d: str, 0x9e: str, 0x9f: str}

func afterEscape(r rune) place {
	switch {
	case r == '[':
		return control
	case strings.ContainsRune("]PX^_", r):
		return str
	case r >= ' ' && r <= '/': // more of it comes
		return escape
	}
	return text
}

// Marks that join letters in some scripts and pictures; they are invisible, and harmless.
const (
	nonJoiner = 0x200c
	joiner    = 0x200d
)

// shown is what a terminal is shown of a character, 0 for nothing: what is printable, and
// of blanks the one.
func shown(r rune) rune {
	switch {
	case r == 0, r == '\r':
		return 0
	case r == utf8.RuneError:
		return '?'
	case r == '\t', unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.IsPrint(r), r == nonJoiner, r == joiner:
		return r
	}
	return 0
}
