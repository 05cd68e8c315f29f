package gopher

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"

	"tunic/gateway/endpoint"
)

// menu writes the lines of RFC 1436 section 3.8. Errors of the writer stay in
// it until its Flush.
type menu struct {
	w       *bufio.Writer
	visitor endpoint.Visitor
	friends []Friend // whose holes the visitor may search
}

func newMenu(w io.Writer, v endpoint.Visitor) *menu {
	return &menu{w: bufio.NewWriterSize(w, bufferSize), visitor: v}
}

// item writes a line for something on this box, which it calls by the name
// that the visitor used.
func (m *menu) item(kind kind, display, selector string) {
	m.link(kind, display, selector, m.visitor.Host, m.visitor.Port)
}

// link writes a line for something on any host.
func (m *menu) link(kind kind, display, selector, host string, port uint16) {
	fmt.Fprintf(m.w, "%c%s\t%s\t%s\t%d\r\n", kind, clean(display), cleanSelector(selector), clean(host), port)
}

// info writes a line of text that leads nowhere.
func (m *menu) info(text string) { m.item(kindInfo, text, "") }

// end writes the line that ends a menu.
func (m *menu) end() { m.w.WriteString(".\r\n") }

// plain is a whole answer to Gopher+: there is a menu to be asked for without
// it. Its form is what other plain servers answer, which gopher(1) understands.
func (m *menu) plain(selector string) {
	m.w.WriteString("+-1\r\n+INFO: ")
	m.item(kindMenu, "Main menu", selector)
	m.w.WriteString("+VIEWS:\r\n application/gopher+-menu: <512b>\r\n")
	m.end()
}

// fail is a whole answer that says what is wrong.
func (m *menu) fail(text string) {
	m.item(kindError, text, "")
	m.end()
}

// clean takes out of a text what would end its field or its line, or steer the
// terminal that shows it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// cleanSelector leaves bytes that are no UTF-8 as they are: they may be a part
// of the name of a file.
func cleanSelector(s string) string {
	if !hasControl(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !isControl(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// hasControl reports whether no menu line can hold s.
func hasControl(s string) bool {
	for i := range len(s) {
		if isControl(s[i]) {
			return true
		}
	}
	return false
}

func isControl(b byte) bool { return b < ' ' || b == 0x7f }
