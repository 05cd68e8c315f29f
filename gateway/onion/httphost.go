package onion

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// errRequest is for what is no HTTP/1.1 request that has one meaning only. A
// server might find another end of it, and so a request in it that nobody has
// looked at: nothing of it is passed on.
var errRequest = errors.New("the visitor sent no plain HTTP/1.1 request")

// talk is a connection on which HTTP/1.1 requests (RFC 9112) get another Host;
// every other byte stays as it is, but for an Origin and a Referer that name the
// visitor's own Host, which is one of the service's names (see known). Requests are read up to the answer 101 to one with Upgrade
// (RFC 9110, section 7.8): what follows is another protocol. So this is a
// convenience for servers that insist on their own name, and no wall between the
// sites of one server.
type talk struct {
	*Site
	asked chan asked    // whose answers are to come, in this order
	ended chan struct{} // closed when no more answers will come
}

// asked is what has to be known of a request to read its answer.
type asked struct {
	bodiless bool      // HEAD: its answer has no body, whatever its fields say
	switched chan bool // of capacity 1: whether the server takes its Upgrade; nil: it has none
}

// maxAsked is how many answers may be due; who asks more waits.
const maxAsked = 32

// answerWait is how long what follows an Upgrade waits for the answer to it.
const answerWait = time.Minute

func newTalk(s *Site) *talk {
	return &talk{Site: s, asked: make(chan asked, maxAsked), ended: make(chan struct{})}
}

// requests copies what a visitor sends.
func (t *talk) requests(dst io.Writer, src io.Reader) error {
	in := bufio.NewReaderSize(src, 4<<10)
	for other := errMisdirected; ; other = errMoved {
		head, err := readHead(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if host, ok := head.host(); ok && !t.known(host) {
			return other
		}
		body, err := head.framing()
		if err != nil {
			return err
		}
		offer := t.expect(head)
		if _, err := dst.Write(head.with(t.Host)); err != nil {
			return err
		}
		if err := body.copy(dst, in); err != nil {
			return err
		}
		if raw, err := t.taken(offer, in); raw || err != nil {
			return errors.Join(err, passOn(dst, in, raw))
		}
	}
}

// expect says what the next answer belongs to, and returns where the server's
// word on an Upgrade will be; nil if there is none.
func (t *talk) expect(h head) chan bool {
	a := asked{bodiless: bytes.HasPrefix(h[0], []byte("HEAD "))}
	if len(h.values("Upgrade")) > 0 {
		a.switched = make(chan bool, 1)
	}
	select {
	case t.asked <- a:
	case <-t.ended:
	}
	return a.switched
}

var errNoAnswer = errors.New("the server does not answer a request with Upgrade, and the visitor has sent more")

// taken reports whether the server has taken an offer, as soon as it matters:
// when the visitor has sent more.
func (t *talk) taken(offer chan bool, in *bufio.Reader) (bool, error) {
	if offer == nil {
		return false, nil
	}
	if _, err := in.Peek(1); err != nil {
		return false, nil // the next reader meets it too
	}
	select {
	case yes := <-offer:
		return yes, nil
	case <-t.ended:
		return false, nil
	case <-time.After(answerWait):
		return false, errNoAnswer
	}
}

// passOn copies all that comes, if it shall.
func passOn(dst io.Writer, in *bufio.Reader, all bool) error {
	if !all {
		return nil
	}
	_, err := in.WriteTo(dst)
	return err
}
