package onion

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxHead bounds the head of a request and a line of a chunked body.
const maxHead = 64 << 10

// head is the head of a request, line by line, each with its CRLF; the last one
// is empty.
type head [][]byte

// readHead returns io.EOF if there is no further request.
func readHead(in *bufio.Reader) (head, error) {
	var h head
	size := 0
	for {
		line, err := readLine(in)
		size += len(line)
		switch {
		case err == io.EOF && size == 0:
			return nil, io.EOF
		case err != nil:
			return nil, unexpected(err)
		case size > maxHead:
			return nil, errRequest
		}
		h = append(h, line)
		if len(line) == 2 {
			return h, h.check()
		}
	}
}

// readLine returns a line with its CRLF. A bare CR or LF in it is refused:
// servers differ in what they make of it.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := anyLine(in)
	if err != nil {
		return line, err
	}
	if !bytes.HasSuffix(line, []byte("\n")) {
		return nil, io.ErrUnexpectedEOF
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.ContainsAny(text, "\r\x00") {
		return nil, errRequest
	}
	return line, nil
}

// anyLine returns a line with its end, if it has one: the last may have none. It
// returns what there is of it also with an error.
func anyLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull && len(line) <= maxHead:
			continue
		case err == bufio.ErrBufferFull:
			return line, errRequest
		case err == io.EOF && len(line) > 0:
			return line, nil
		}
		return line, err
	}
}

// check wants a request line of HTTP/1.1 and fields that can be read in one way.
func (h head) check() error {
	words := strings.Split(strings.TrimSuffix(string(h[0]), "\r\n"), " ")
	if len(h) < 2 || len(words) != 3 || words[0] == "" || words[0] == "CONNECT" || !strings.HasPrefix(words[1], "/") && words[1] != "*" ||
		words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" {
		return errRequest
	}
	for _, line := range h[1 : len(h)-1] {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
			return errRequest // also a field that goes on in the next line
		}
	}
	if len(h.values("Host")) > 1 {
		return errRequest
	}
	return nil
}

// isToken reports whether r may stand in the name of a field (RFC 9110, section
// 5.6.2).
func isToken(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// values returns the values of all fields with this name.
func (h head) values(name string) (list []string) {
	for _, line := range h[1:] {
		key, value, _ := strings.Cut(string(line), ":")
		if strings.EqualFold(key, name) {
			list = append(list, strings.Trim(value, " \t\r\n"))
		}
	}
	return list
}

// host is the Host that was asked for, if there is one.
func (h head) host() (string, bool) {
	values := h.values("Host")
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// with is the head's text with another Host. A request without one gets none:
// the server is to answer that it must have one (RFC 9112, section 3.2). An
// Origin and a Referer of the Host that was asked for are of the new one
// (RFC 6454, section 7), so that a server that compares them finds what the
// visitor's browser meant; any other stays.
func (h head) with(host string) []byte {
	asked, _ := h.host()
	text := slices.Clone(h[0])
	for _, line := range h[1:] {
		name, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\r\n"), ":")
		switch {
		case strings.EqualFold(name, "Host"):
			line = fmt.Appendf(nil, "%s: %s\r\n", name, host)
		case asked != "" && (strings.EqualFold(name, "Origin") || strings.EqualFold(name, "Referer")):
			line = fmt.Appendf(nil, "%s:%s\r\n", name, withHost(value, asked, host))
		}
		text = append(text, line...)
	}
	return text
}

// withHost is a URL with the host to instead of from, if from is its whole host.
func withHost(url, from, to string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || len(rest) < len(from) || !strings.EqualFold(rest[:len(from)], from) {
		return url
	}
	end := rest[len(from):]
	if end != "" && !strings.ContainsAny(end[:1], "/?# \t") {
		return url
	}
	return scheme + "://" + to + end
}
