package main

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// visible is a terminal or file to which verbs print. What friends, strangers,
// servers and devices say is in it, so it takes control characters away, by which
// a text could write over others, name the window or type (ECMA-48), and those
// that turn the direction of writing round. Lines and tabs stay.
type visible struct{ to io.Writer }

func (v visible) Write(p []byte) (int, error) {
	if _, err := v.to.Write(bytes.Map(printable, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// raw is what a writer writes to in the end, for what tunic itself tells the
// terminal. Nothing that somebody else has said may go there.
func raw(w io.Writer) io.Writer {
	for {
		switch v := w.(type) {
		case visible:
			w = v.to
		case worded:
			w = v.to
		default:
			return w
		}
	}
}

func printable(r rune) rune {
	if r != '\n' && r != '\t' && hidden(r) {
		return -1
	}
	return r
}

// hidden reports whether a character is an order to a terminal and no letter.
func hidden(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// escaped is JSON in which characters that are hidden have their numbers.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r != '\n' && hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// inLines are arguments of a format, of which texts and errors are in one line.
func inLines(args []any) []any {
	clean := slices.Clone(args)
	for i, arg := range args {
		switch arg := arg.(type) {
		case error:
			clean[i] = oneLine(arg.Error())
		default:
			if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
				clean[i] = oneLine(v.String())
			}
		}
	}
	return clean
}

// oneLine is a text of somebody else's in one line, so that it cannot look like
// what tunic says.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return printable(r)
	}, text)
}
