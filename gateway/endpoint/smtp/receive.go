package smtp

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// reserve is what mail leaves free on the disk for everything else: envelopes
// that change, tor's state.
const reserve = 32 << 20

// incoming is a message that was read and not decided about.
type incoming struct {
	header message.Header
	body   *spool.Draft
}

// read takes a whole message off r. The caller closes its body.
func (s *Server) read(r io.Reader) (*incoming, error) {
	in := &incoming{body: s.spool.Draft()}
	buffered := bufio.NewReader(message.Strict(r))
	var err error
	if in.header, err = message.Read(buffered); err == nil {
		_, err = io.Copy(in.body, buffered)
	}
	if err != nil {
		in.body.Close()
		return nil, err
	}
	return in, nil
}

// take reads a message and has keep decide about it. The error is the answer.
func (v *visit) take(text io.Reader, keep func(*incoming) error) error {
	defer v.guest.shrink()
	in, err := v.door.read(&measuring{Reader: text, visit: v})
	if err == nil {
		defer in.body.Close()
		err = keep(in)
	}
	if err != nil {
		return v.refuse(refusal(err))
	}
	return nil
}

// measuring reads a message as long as there is room for it: its size is what it
// is, and not what its sender has said.
type measuring struct {
	io.Reader
	*visit
	unchecked int64 // bytes since the disk was asked
}

func (m *measuring) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if !m.guest.grow(int64(n), draftsPerSize*m.door.server.MaxMessageBytes) {
		return 0, errFull
	}
	if m.unchecked += int64(n); m.unchecked > roomStep {
		m.unchecked = 0
		if err := m.door.room(0); err != nil {
			return 0, err
		}
	}
	return n, err
}

// roomStep is how many bytes are read before the disk is asked again.
const roomStep = 1 << 20

// text is the whole message.
func (in *incoming) text() (io.Reader, error) {
	body, err := in.body.Reader()
	return io.MultiReader(strings.NewReader(in.header.String()+"\r\n"), body), err
}

// commit puts a message into the spool and hands it to the queue. trace are
// fields above its header.
func (s *Server) commit(e *spool.Envelope, trace, header message.Header, body *spool.Draft) error {
	if err := s.spool.Commit(e, trace.String()+header.String()+"\r\n", body); err != nil {
		return err
	}
	s.queue.add(e, false)
	return nil
}

// room refuses a message for which the disk has no room.
func (s *Server) room(size int64) error {
	free, err := s.spool.Free()
	if err != nil {
		return errLater
	}
	if free < reserve+2*uint64(max(size, 0)) {
		return errFull
	}
	return nil
}

// received is the trace field of this box (RFC 5321, section 4.4). It names
// onions alone, and the time without the house's time zone.
func received(from, by, with, id string, at time.Time) message.Field {
	if from != "" {
		from = "from " + from + "\r\n\t"
	}
	return message.New("Received", fmt.Sprintf("%sby %s\r\n\twith %s id %s;\r\n\t%s", from, by, with, id, at.UTC().Format(time.RFC1123Z)))
}

// waiting makes recipients of addresses.
func waiting(to ...string) []spool.Recipient {
	list := make([]spool.Recipient, len(to))
	for i, a := range to {
		list[i] = spool.Recipient{To: a, State: spool.Waiting}
	}
	return list
}
