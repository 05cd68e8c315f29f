package onion

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
)

// body says where the body of a message ends.
type body struct {
	length  int64
	chunked bool
	line    func(*bufio.Reader) ([]byte, error) // reads lines between chunks
}

// framing finds the end of the body (RFC 9112, section 6.3). Two ways to find
// it are one too many.
func (h head) framing() (body, error) {
	encodings, lengths := h.values("Transfer-Encoding"), h.values("Content-Length")
	switch {
	case len(encodings) == 1 && len(lengths) == 0 && strings.EqualFold(encodings[0], "chunked"):
		return body{chunked: true, line: readLine}, nil
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
	if b.chunked {
		return b.copyChunks(dst, in)
	}
	_, err := io.CopyN(dst, in, b.length)
	return unexpected(err)
}

// copyChunks passes a chunked body on, its trailer included (RFC 9112, section
// 7.1).
func (b body) copyChunks(dst io.Writer, in *bufio.Reader) error {
	for {
		line, err := b.line(in)
		if err != nil {
			return unexpected(err)
		}
		digits, _, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ";")
		size, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 62)
		if err != nil {
			return errRequest
		}
		if _, err := dst.Write(line); err != nil {
			return err
		}
		if size == 0 {
			return b.copyTrailer(dst, in)
		}
		if _, err := io.CopyN(dst, in, int64(size)); err != nil {
			return unexpected(err)
		}
		end, err := b.line(in)
		if err != nil {
			return unexpected(err)
		}
		if len(bytes.TrimRight(end, "\r\n")) != 0 {
			return errRequest
		}
		if _, err := dst.Write(end); err != nil {
			return err
		}
	}
}

func (b body) copyTrailer(dst io.Writer, in *bufio.Reader) error {
	for size := 0; size <= maxHead; {
		line, err := b.line(in)
		if err != nil {
			return unexpected(err)
		}
		size += len(line)
		if _, err := dst.Write(line); err != nil {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
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
