package gopher

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strings"
)

// maxRequest bounds a request in bytes, with its line end. RFC 1436 (appendix)
// gives a selector 255; paths of files are longer than its authors thought.
const maxRequest = 1024

// errRequest is returned by readRequest for what can be no request.
var errRequest = errors.New("malformed request")

// request is one line from a visitor.
type request struct {
	selector string
	words    string // what to search for; only searches look at it
	plus     bool   // Gopher+ asks what a menu holds ("$"), not for the menu
}

// readRequest reads one line. A visitor that closes its side instead of ending
// the line is understood as well.
func readRequest(r io.Reader) (request, error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, maxRequest), maxRequest).ReadString('\n')
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		return request{}, err
	case line == "":
		return request{}, io.ErrUnexpectedEOF
	case len(line) == maxRequest:
		return request{}, errRequest
	}
	return parseRequest(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
}

// parseRequest takes a line apart: SELECTOR, or SELECTOR TAB WORDS. Gopher+
// adds TAB and a field that begins with +, ! or $ (and more); it is answered
// as if it were not there, which Gopher+ clients take for a plain server. Only
// a "$" alone is kept: gopher(1) begins with it, and gives up without an answer.
func parseRequest(line string) (request, error) {
	if strings.ContainsAny(line, "\x00\r\n") {
		return request{}, errRequest
	}
	selector, rest, _ := strings.Cut(line, "\t")
	words, _, _ := strings.Cut(rest, "\t")
	plus := words == "$"
	if strings.Trim(words, "+!$") == "" {
		words = ""
	}
	return request{selector: selector, words: words, plus: plus}, nil
}

// localName turns a selector into a path below the root: "." for the root
// itself. There are no escapes in Gopher: "%2e" is three characters of a name.
// What begins with a dot ("..", "." and hidden files) is nowhere, and neither
// are the gophermap files, which show as menus.
func localName(selector string) (string, error) {
	name := "."
	for element := range strings.SplitSeq(selector, "/") {
		if strings.HasPrefix(element, ".") || element == mapName {
			return "", errRequest
		}
		name = path.Join(name, element) // skips empty elements
	}
	return name, nil
}
