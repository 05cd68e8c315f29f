package tor

import (
	"bytes"
	"errors"
	"net"
)

// longestReply bounds what tor says at once, an answer or an event, in bytes: several times the longest, which
// is that about all relays. A tor that was taken over could fill the daemon's memory by one without end.
const longestReply = 8 << 20

var errReplyLong = errors.New("tor says more than anybody asked it")

// shortReplies is a control connection by which no reply is longer than longestReply. It finds the ends as who
// reads does (control-spec, "Replies from Tor to the controller").
type shortReplies struct {
	net.Conn
	head   [4]byte // the first bytes of the line
	inLine int     // how many bytes of it there were
	body   bool    // it is one of those that a line with a dot ends
	size   int     // of the reply
}

// Read implements io.Reader.
func (s *shortReplies) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	for text := b[:n]; len(text) > 0; {
		end := bytes.IndexByte(text, '\n')
		piece := text
		if end >= 0 {
			piece = text[:end]
		}
		if s.inLine < len(s.head) {
			copy(s.head[s.inLine:], piece)
		}
		s.inLine, s.size = s.inLine+len(piece), s.size+len(piece)+1
		if s.size > longestReply {
			return 0, errReplyLong
		}
		if end < 0 {
			break
		}
		s.lineEnds()
		text = text[end+1:]
	}
	return n, err
}

// lineEnds takes in that a line is over.
func (s *shortReplies) lineEnds() {
	switch first := string(s.head[:min(s.inLine, len(s.head))]); {
	case s.body:
		s.body = first != "." && first != ".\r"
	case len(first) == len(s.head) && first[3] == '+':
		s.body = true
	case len(first) == len(s.head) && first[3] == ' ':
		s.size = 0
	}
	s.inLine = 0
}
