package onion

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errRequest is for what is no HTTP/1.1 request that has one meaning only. A
// server might find another end of it, and so a request in it that nobody has
// looked at: nothing of it is passed on.
var errRequest = errors.New("the visitor sent no plain HTTP/1.1 request")

// maxHead bounds the head of a request and a line of a chunked body.
const maxHead = 64 << 10

// rewriteHosts copies HTTP/1.1 requests (RFC 9112) and puts host into their
// Host fields; every other byte stays as it is. A request with Upgrade
// (WebSocket) is the last that is read: what follows is another protocol. So
// this is a convenience for servers that insist on their own name, and no wall
// between the sites of one server.
func rewriteHosts(dst io.Writer, src io.Reader, host string) error {
	in := bufio.NewReaderSize(src, 4<<10)
	for {
		head, err := readHead(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		body, err := head.framing()
		if err != nil {
			return err
		}
		if _, err := dst.Write(head.with(host)); err != nil {
			return err
		}
		if err := body.copy(dst, in); err != nil {
			return err
		}
	}
}

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
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull && len(line) <= maxHead:
			continue
		case err == io.EOF && len(line) == 0:
			return nil, io.EOF
		case err == io.EOF:
			return line, io.ErrUnexpectedEOF
		case err == bufio.ErrBufferFull:
			return nil, errRequest
		case err != nil:
			return nil, err
		}
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || bytes.ContainsAny(text, "\r\x00") {
			return nil, errRequest
		}
		return line, nil
	}
}

// check wants a request line of HTTP/1.1 and fields that can be read in one way.
func (h head) check() error {
	words := strings.Split(strings.TrimSuffix(string(h[0]), "\r\n"), " ")
	if len(h) < 2 || len(words) != 3 || words[0] == "" || words[0] == "CONNECT" || !strings.HasPrefix(words[1], "/") && words[1] != "*" || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" {
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

// with is the head's text with another Host. A request without one gets none:
// the server is to answer that it must have one (RFC 9112, section 3.2).
func (h head) with(host string) []byte {
	var text []byte
	for i, line := range h {
		if name, _, _ := bytes.Cut(line, []byte(":")); i > 0 && bytes.EqualFold(name, []byte("Host")) {
			line = fmt.Appendf(nil, "%s: %s\r\n", name, host)
		}
		text = append(text, line...)
	}
	return text
}

// body says where the body of a request ends.
type body struct {
	length  int64
	chunked bool
	raw     bool // what follows is no HTTP/1.1 any more
}

// framing finds the end of the body (RFC 9112, section 6.3). Two ways to find
// it are one too many.
func (h head) framing() (body, error) {
	encodings, lengths := h.values("Transfer-Encoding"), h.values("Content-Length")
	switch {
	case len(h.values("Upgrade")) > 0 && len(encodings)+len(lengths) == 0:
		return body{raw: true}, nil
	case len(encodings) == 1 && len(lengths) == 0 && strings.EqualFold(encodings[0], "chunked"):
		return body{chunked: true}, nil
	case len(encodings) == 0 && len(lengths) == 1 && strings.Trim(lengths[0], "0123456789") == "":
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil {
			return body{}, errRequest
		}
		return body{length: n}, nil
	case len(encodings)+len(lengths) > 0:
		return body{}, errRequest
	}
	return body{}, nil
}

// copy passes the body on.
func (b body) copy(dst io.Writer, in *bufio.Reader) error {
	switch {
	case b.raw:
		_, err := in.WriteTo(dst)
		return err
	case b.chunked:
		return copyChunks(dst, in)
	}
	_, err := io.CopyN(dst, in, b.length)
	return unexpected(err)
}

// copyChunks passes a chunked body on, its trailer included (RFC 9112, section
// 7.1).
func copyChunks(dst io.Writer, in *bufio.Reader) error {
	for {
		line, err := readLine(in)
		if err != nil {
			return unexpected(err)
		}
		digits, _, _ := strings.Cut(strings.TrimSuffix(string(line), "\r\n"), ";")
		size, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 62)
		if err != nil {
			return errRequest
		}
		if _, err := dst.Write(line); err != nil {
			return err
		}
		if size == 0 {
			return copyTrailer(dst, in)
		}
		if _, err := io.CopyN(dst, in, int64(size)); err != nil {
			return unexpected(err)
		}
		end, err := readLine(in)
		if err != nil {
			return unexpected(err)
		}
		if len(end) != 2 {
			return errRequest
		}
		if _, err := dst.Write(end); err != nil {
			return err
		}
	}
}

func copyTrailer(dst io.Writer, in *bufio.Reader) error {
	for size := 0; size <= maxHead; {
		line, err := readLine(in)
		if err != nil {
			return unexpected(err)
		}
		size += len(line)
		if _, err := dst.Write(line); err != nil {
			return err
		}
		if len(line) == 2 {
			return nil
		}
	}
	return errRequest
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
