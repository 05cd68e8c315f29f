package parts

import (
	"bytes"
	"io"
)

// decoder decodes what is written to it, whole lines each time, and is nil for
// encodings that say nothing. It goes on after what is no valid text, since the
// readers of mail do.
func decoder(encoding string, w io.Writer) io.Writer {
	switch encoding {
	case "base64":
		return &unbase64{w: w}
	case "quoted-printable":
		return unquote{w}
	}
	return nil
}

// unbase64 decodes base64 and skips all other letters (RFC 2045, section 6.8).
type unbase64 struct {
	w    io.Writer
	bits uint32
	n    uint // how many of bits are not written yet
}

func (u *unbase64) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for _, c := range p {
		v, ok := sextet(c)
		if c == '=' {
			u.bits, u.n = 0, 0 // another text may follow
		}
		if !ok {
			continue
		}
		if u.bits, u.n = u.bits<<6|v, u.n+6; u.n >= 8 {
			u.n -= 8
			out = append(out, byte(u.bits>>u.n))
		}
	}
	_, err := u.w.Write(out)
	return len(p), err
}

// unarmor decodes the base64 that a text has between empty lines and lines of
// dashes. Text that is none decodes to nothing that means anything.
type unarmor struct {
	to     unbase64
	begun  bool // whether the line has begun
	dashes bool // the line is no text
}

func (u *unarmor) Write(p []byte) (int, error) {
	text := make([]byte, 0, len(p))
	flush := func() error {
		_, err := u.to.Write(text)
		text, u.to.bits, u.to.n = text[:0], 0, 0
		return err
	}
	for _, c := range p {
		switch {
		case c == '\r':
		case c == '\n':
			if !u.begun || u.dashes {
				if err := flush(); err != nil {
					return 0, err
				}
			}
			u.begun, u.dashes = false, false
		default:
			u.dashes = u.dashes || !u.begun && c == '-'
			u.begun = true
			if !u.dashes {
				text = append(text, c)
			}
		}
	}
	_, err := u.to.Write(text)
	return len(p), err
}

// unfold joins lines that are one for their readers: those of calendars and of
// contacts, of which the next begins with a space (RFC 5545, section 3.1), and
// those of text of which the last ends in one (RFC 3676, section 4.1, DelSp).
type unfold struct {
	w       io.Writer
	waiting string // of blanks as spaces and of line ends: "", " ", "\n" or " \n"
}

func (u *unfold) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+2)
	for _, c := range p {
		switch {
		case c == '\r':
		case c == '\n' && u.waiting != " ":
			out, u.waiting = append(out, u.waiting...), "\n"
		case c == '\n':
			u.waiting = " \n"
		case (c == ' ' || c == '\t') && len(u.waiting) > 0 && u.waiting != " ":
			u.waiting = "" // the fold
		case c == ' ' || c == '\t':
			out, u.waiting = append(out, u.waiting...), " "
		case u.waiting == "":
			out = append(out, c)
		default:
			if u.waiting != " \n" {
				out = append(out, u.waiting...)
			}
			out, u.waiting = append(out, c), ""
		}
	}
	_, err := u.w.Write(out)
	return len(p), err
}

func sextet(c byte) (uint32, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return uint32(c - 'A'), true
	case 'a' <= c && c <= 'z':
		return uint32(c-'a') + 26, true
	case '0' <= c && c <= '9':
		return uint32(c-'0') + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}

// unquote decodes quoted-printable (RFC 2045, section 6.7).
type unquote struct{ w io.Writer }

func (u unquote) Write(p []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(p) {
		text := bytes.TrimRight(line, " \t\r\n") // RFC 2045: what stands there was added on the way
		if soft, ok := bytes.CutSuffix(text, []byte("=")); ok {
			out = unquoteLine(out, soft)
			continue
		}
		out = unquoteLine(out, text)
		if bytes.HasSuffix(line, []byte("\n")) {
			out = append(out, "\r\n"...)
		}
	}
	_, err := u.w.Write(out)
	return len(p), err
}

func unquoteLine(out, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '=' && i+2 < len(text) {
			high, ok := nibble(text[i+1])
			if low, also := nibble(text[i+2]); ok && also {
				out = append(out, high<<4|low)
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
