package message

import "io"

// Strict reads a message of which every line ends in CR LF and no CR or LF
// stands elsewhere, else ErrLineEnds: where two servers disagree about what a
// line is, a second message can be hidden in the first. A last line without an
// end gets one.
func Strict(r io.Reader) io.Reader { return &strict{r: r, last: '\n'} }

type strict struct {
	r    io.Reader
	last byte // what was read last; a message begins like a new line
	tail string
	end  error
}

func (s *strict) Read(p []byte) (int, error) {
	if s.end != nil {
		n := copy(p, s.tail)
		if s.tail = s.tail[n:]; s.tail == "" {
			return n, s.end
		}
		return n, nil
	}
	n, err := s.r.Read(p)
	for _, c := range p[:n] {
		if (c == '\n') != (s.last == '\r') && (c == '\n' || s.last == '\r') {
			return 0, s.fail(ErrLineEnds)
		}
		s.last = c
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF && s.last == '\r' {
		err = ErrLineEnds
	}
	if s.end = err; err == io.EOF && s.last != '\n' {
		s.tail = "\r\n"
	}
	if s.tail != "" || n > 0 {
		return n, nil
	}
	return 0, err
}

func (s *strict) fail(err error) error {
	s.end = err
	return err
}
