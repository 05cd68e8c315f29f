// Package parts changes a mail's body, part by part, into one that the internet
// may see (RFC 2045, RFC 2046): fields of parts by an allow-list, names of
// pictures that tell of the house replaced together with what refers to them,
// new boundaries. What cannot be changed without changing what the sender
// has said is refused with an *Error.
//
// It holds of a body no more than one page of HTML. What is
// encrypted nobody can look into.
package parts

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"tunic/gateway/endpoint/smtp/message"
)

// maxDepth is how deep parts may lie in each other.
const maxDepth = 20

// Error is why a mail must not leave, in words for its sender.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

var (
	errSealed = refuse("this mail is signed, and what is signed tells the internet of this house: send it without a signature")
	errShape  = refuse("the parts of this mail cannot be told from each other: send it from another program")
	errText   = refuse("the text of this mail, or what is attached, tells the internet of an onion: take its address out")
)

// Rules say what tells of the house.
type Rules struct {
	Domain string                                       // the right side of new identifiers
	Tells  func(message.Field) bool                     // whether a field must not leave
	Keep   func(id string) bool                         // whether LEFT@RIGHT may leave as an identifier
	Header func(message.Header) (message.Header, error) // the header of an attached mail as it may leave
}

// Rewrite writes the body that belongs to the header h, and returns the header
// that belongs to what was written. It opens the body twice, from its beginning.
func (r Rules) Rewrite(w io.Writer, h message.Header, open func() (io.Reader, error)) (message.Header, error) {
	body, err := open()
	if err != nil {
		return nil, err
	}
	ids, err := pictures(bufio.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body, err = open(); err != nil {
		return nil, err
	}
	out := bufio.NewWriter(w)
	x := &rewriter{Rules: r, in: bufio.NewReader(body), out: out, ids: ids}
	header, p, err := x.content(h, plain)
	if err == nil {
		err = x.body(p)
	}
	if errors.Is(err, message.ErrHeader) || errors.Is(err, message.ErrTooLong) {
		err = errShape
	}
	return header, errors.Join(err, out.Flush())
}

// rewriter is one mail on its way.
type rewriter struct {
	Rules
	in     *bufio.Reader
	out    *bufio.Writer
	around []string          // boundaries of the parts that we are in
	at     delimiter         // where reading has stopped
	depth  int               // how many parts we are in
	sealed bool              // nothing may be changed here
	ids    map[string]string // what pictures of this mail are called, and will be; "" is not known yet
}

// delimiter is the line between two parts.
type delimiter struct {
	level int // whose in rewriter.around, -1 is the end of the mail
	last  bool
	line  string
}

// line returns the next line, or false at a delimiter or at the end.
func (x *rewriter) line() (string, bool, error) {
	line, err := x.in.ReadString('\n')
	if err != nil && (err != io.EOF || line == "") {
		x.at = delimiter{level: -1}
		if err == io.EOF {
			err = nil
		}
		return "", false, err
	}
	rest, ok := strings.CutPrefix(strings.TrimRight(line, " \t\r\n"), "--")
	for level := len(x.around) - 1; ok && level >= 0; level-- {
		if rest == x.around[level] || rest == x.around[level]+"--" {
			x.at = delimiter{level, rest != x.around[level], line}
			return "", false, nil
		}
	}
	return line, true, nil
}

// body writes what belongs to a header.
func (x *rewriter) body(p part) error {
	x.depth++
	defer func() { x.depth-- }()
	switch {
	case x.depth > maxDepth:
		return errShape
	case p.multipart():
		return x.multipart(p)
	case p.mail():
		return x.mail()
	}
	return x.leaf(p)
}

// multipart writes the parts of a part. What stands before and behind them is
// shown by very old programs alone, and is text like any other.
func (x *rewriter) multipart(p part) error {
	sealed := x.sealed
	level := len(x.around)
	x.around = append(x.around, p.boundary)
	if err := x.leaf(part{}); err != nil {
		return err
	}
	x.sealed = sealed || p.kind == "multipart/signed"
	for x.at.level == level && !x.at.last {
		x.delimit(sealed, "--"+p.fresh)
		if err := x.part(p); err != nil {
			return err
		}
	}
	x.sealed, x.around = sealed, x.around[:level]
	if x.at.level != level && sealed {
		return errSealed // its end is missing, and would be added
	}
	x.delimit(sealed, "--"+p.fresh+"--")
	if x.at.level == level {
		return x.leaf(part{})
	}
	return nil
}

// delimit writes a delimiter, of a sealed part as it was.
func (x *rewriter) delimit(sealed bool, line string) {
	if line += "\r\n"; sealed {
		line = x.at.line
	}
	x.out.WriteString(line)
}

// part writes one part of another.
func (x *rewriter) part(of part) error {
	h, err := message.Read(x.in)
	if err != nil {
		return err
	}
	kind := plain
	if of.kind == "multipart/digest" {
		kind = mail // RFC 2046, section 5.1.5
	}
	header, p, err := x.content(onlyContent(h), kind)
	if err != nil {
		return err
	}
	return x.headed(h, header, p)
}

// mail writes a mail that is attached to another.
func (x *rewriter) mail() error {
	h, err := message.Read(x.in)
	if err != nil {
		return err
	}
	allowed, err := x.Header(h)
	if err != nil {
		return err
	}
	header, p, err := x.content(allowed, plain)
	if err != nil {
		return err
	}
	return x.headed(h, header, p)
}

// headed writes a header that came from another, and what follows.
func (x *rewriter) headed(from, header message.Header, p part) error {
	if x.sealed && from.String() != header.String() {
		return errSealed
	}
	x.out.WriteString(header.String() + "\r\n")
	return x.body(p)
}

// boundary is what no line of any mail begins with.
func boundary() string { return "=_" + rand.Text() }
