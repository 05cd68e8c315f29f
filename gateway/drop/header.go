// Package drop is how files come from friends' boxes: the service `drop`, which every box
// has for its friends, and the inbox in which their files wait for people.
//
// On the wire (docs/send.md): the sender writes a line, SIZE SHA256 NAME; the answer is
// "+" or "-" and words; after a "+" come SIZE bytes; the last answer is "+" and the name
// that the file has now, or "-" and why it was not kept. A file is kept whole or not at
// all, and its name is chosen by the box that receives it.
package drop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Service is what friends ask for.
const Service = "drop"

// Bounds of lines, in bytes without their end.
const (
	maxHeader = 1024
	maxReply  = 400
)

// maxName is how long the name of a file may be in the inbox, in bytes: that of file
// systems, less room for a number.
const maxName = 200

// Header says what comes.
type Header struct {
	Size int64 // bytes
	Sum  [32]byte
	Name string // as the sender has it: any text of one line
}

var errHeader = errors.New("no header of a file came: SIZE SHA256 NAME")

// line reads up to the end of a line, LF or CRLF, and nothing behind it.
func line(r io.Reader, most int) (string, error) {
	var text []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		switch {
		case b[0] == '\n':
			return strings.TrimSuffix(string(text), "\r"), nil
		case len(text) > most:
			return "", errHeader
		}
		text = append(text, b[0])
	}
}

// readHeader reads the line that a sender begins with.
func readHeader(r io.Reader) (h Header, err error) {
	text, err := line(r, maxHeader)
	if err != nil {
		return h, err
	}
	size, rest, _ := strings.Cut(text, " ")
	sum, name, ok := strings.Cut(rest, " ")
	n, bad := strconv.ParseUint(size, 10, 63)
	raw, wrong := hex.DecodeString(sum)
	if !ok || bad != nil || wrong != nil || len(raw) != len(h.Sum) || name == "" {
		return h, errHeader
	}
	h.Size, h.Name = int64(n), name
	copy(h.Sum[:], raw)
	return h, nil
}

// String is the line without its end. What has no place in a line is left out of the name.
func (h Header) String() string {
	return fmt.Sprintf("%d %x %s", h.Size, h.Sum, Clean(h.Name))
}

// Clean makes of a name that somebody else has chosen one that is a file's in any
// directory, on a terminal and in a shell: no directories, no control or invisible
// characters, no dot or hyphen in front, no blanks around it, and not too long.
func Clean(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ".- ~"), ". ")
	stem, extension := split(name)
	name = strings.TrimRight(head(stem, maxName-len(extension)), ". ") + extension
	if name == "" {
		return "file"
	}
	return name
}

// split divides a name before its last dot, if what follows is short and something is
// before it.
func split(name string) (stem, extension string) {
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 16 {
		return name[:i], name[i:]
	}
	return name, ""
}

// head is the beginning of a text, of whole characters.
func head(text string, most int) string {
	for len(text) > most {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

// numbered is the name for the n-th file of a name: "photo.jpg", "photo-2.jpg".
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	stem, extension := split(name)
	return fmt.Sprintf("%s-%d%s", stem, n, extension)
}
