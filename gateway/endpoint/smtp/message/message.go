// Package message reads and changes the header of a mail without touching a
// byte of what it does not change (RFC 5322), so that signatures made elsewhere
// still hold.
//
// Use it for trace fields, for addresses, and to look at who claims what. It
// knows nothing of the parts of a body: package parts does.
package message

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
)

// Limits of what Read takes.
const (
	maxHeader = 256 << 10 // bytes
	maxFields = 1000
)

// Errors of Read and Strict. Their texts are for the sender of the mail.
var (
	ErrLineEnds = errors.New("a line does not end in CR LF as RFC 5321 asks for")
	ErrHeader   = errors.New("the header is not as RFC 5322 asks for")
	ErrTooLong  = errors.New("the header is too long")
)

// Field is one field of a header with its line ends: "Subject: x\r\n". A folded
// field has several lines.
type Field struct {
	Name string
	Raw  string
}

// Value is the field's text after the colon on one line.
func (f Field) Value() string {
	_, value, _ := strings.Cut(f.Raw, ":")
	return strings.TrimSpace(strings.ReplaceAll(value, "\r\n", ""))
}

// Is reports whether the field has this name.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// New makes a field of one line, or of several if value has folds in it.
func New(name, value string) Field { return Field{Name: name, Raw: name + ": " + value + "\r\n"} }

// Header is a mail's header, from top to bottom.
type Header []Field

// Read takes the header and the empty line after it off r, whose lines must be
// as Strict leaves them.
func Read(r *bufio.Reader) (Header, error) {
	var h Header
	for size := 0; ; {
		line, err := r.ReadString('\n')
		size += len(line)
		switch {
		case size > maxHeader || len(h) > maxFields:
			return nil, ErrTooLong
		case errors.Is(err, io.EOF) && line == "" && len(h) > 0:
			return h, nil // no body, and so no empty line (RFC 5322, section 3.5)
		case errors.Is(err, io.EOF):
			return nil, ErrHeader
		case err != nil:
			return nil, err
		case line == "\r\n":
			return h, nil
		case line[0] == ' ' || line[0] == '\t':
			if len(h) == 0 {
				return nil, ErrHeader
			}
			h[len(h)-1].Raw += line
		default:
			name, ok := fieldName(line)
			if !ok {
				return nil, ErrHeader
			}
			h = append(h, Field{Name: name, Raw: line})
		}
	}
}

// fieldName is what stands before the colon (RFC 5322, section 3.6.8). White
// space before the colon was allowed long ago and means only confusion now.
func fieldName(line string) (string, bool) {
	name, _, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return "", false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f {
			return "", false
		}
	}
	return name, true
}

// String is the header as it stands in a message, without the empty line.
func (h Header) String() string {
	var b strings.Builder
	for _, f := range h {
		b.WriteString(f.Raw)
	}
	return b.String()
}

// All returns the fields with a name.
func (h Header) All(name string) Header {
	var found Header
	for _, f := range h {
		if f.Is(name) {
			found = append(found, f)
		}
	}
	return found
}

// Has reports whether there is a field with this name.
func (h Header) Has(name string) bool { return len(h.All(name)) > 0 }

// Without returns the header without the fields of these names.
func (h Header) Without(names ...string) Header {
	return slices.DeleteFunc(slices.Clone(h), func(f Field) bool { return slices.ContainsFunc(names, f.Is) })
}

// addresses reads lists of addresses. What a name is written in does not
// matter here, so names in unknown character sets are left as they are.
var addresses = mail.AddressParser{WordDecoder: &mime.WordDecoder{
	CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}}

// Authors returns the addresses in From. There must be one From with at least
// one address: a second field, or text that two programs may read in two ways,
// is how a reader is shown another author than the one who was checked.
func (h Header) Authors() ([]string, error) {
	from := h.All("From")
	if len(from) != 1 {
		return nil, ErrHeader
	}
	list, err := addresses.ParseList(from[0].Value())
	if err != nil || len(list) == 0 {
		return nil, ErrHeader
	}
	authors := make([]string, len(list))
	for i, a := range list {
		authors[i] = a.Address
	}
	return authors, nil
}
