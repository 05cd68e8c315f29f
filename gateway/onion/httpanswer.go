package onion

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

// answers copies what the server sends, as it is. It is read to find the answer
// to an Upgrade; from where it cannot be read on, it is passed on unread.
func (t *talk) answers(dst io.Writer, src io.Reader) error {
	defer close(t.ended)
	in := bufio.NewReaderSize(src, 4<<10)
	for {
		a, err := readAnswer(in)
		body := t.match(a, err)
		if _, err := dst.Write(bytes.Join(a, nil)); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil // the end of a connection, wherever it is, is passed on as it is
		case errors.Is(err, errAnswer):
			return passOn(dst, in, true)
		case err != nil:
			return err
		case body.length == unbounded:
			return passOn(dst, in, true)
		}
		switch err := body.copy(dst, in); {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case errors.Is(err, errRequest):
			return errAnswer
		case err != nil:
			return err
		}
	}
}

var errAnswer = errors.New("the server sent no HTTP/1.1 answer")

// unbounded is the length of a body that ends with the connection.
const unbounded = math.MaxInt64

// readAnswer reads the head of an answer. With an error it returns what it has
// read.
func readAnswer(in *bufio.Reader) (head, error) {
	var h head
	for size := 0; size <= maxHead; {
		line, err := anyLine(in)
		h, size = append(h, line), size+len(line)
		switch {
		case errors.Is(err, errRequest):
			return h, errAnswer
		case err != nil:
			return h, err
		case len(h) == 1 && status(line) == 0:
			return h, errAnswer
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			return h, nil
		}
	}
	return h, errAnswer
}

// status is the number in an answer's first line; 0 if that is none.
func status(line []byte) int {
	words := strings.Fields(string(line))
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/1.") || len(words[1]) != 3 {
		return 0
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 100 {
		return 0
	}
	return n
}

// match gives an answer to the request that is due, says there whether its
// Upgrade was taken, and returns where the answer ends.
func (t *talk) match(h head, err error) body {
	if err != nil {
		return body{}
	}
	code := status(h[0])
	if code < 200 && code != 101 {
		return body{} // the answer itself is still to come
	}
	var request asked
	select {
	case request = <-t.asked:
	default: // a server that says unasked why it ends, such as 408
	}
	if request.switched != nil {
		request.switched <- code == 101
	}
	switch {
	case code == 101:
		return body{length: unbounded}
	case request.bodiless, code == 204, code == 304:
		return body{}
	}
	return h.answerFraming()
}

// answerFraming finds the end of an answer's body (RFC 9112, section 6.3).
func (h head) answerFraming() body {
	encodings, lengths := h.values("Transfer-Encoding"), h.values("Content-Length")
	if len(encodings) > 0 {
		all := strings.ToLower(strings.Join(encodings, ","))
		if last := strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:]); last == "chunked" {
			return body{chunked: true, line: anyLine}
		}
		return body{length: unbounded}
	}
	if len(lengths) > 0 {
		if n, err := strconv.ParseInt(lengths[0], 10, 64); err == nil && n >= 0 {
			return body{length: n}
		}
	}
	return body{length: unbounded}
}
