package smtp

import (
	"bufio"
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// Waiting is one message of the queue as its owner sees it.
type Waiting struct {
	ID         string
	From       string
	Arrived    time.Time
	Size       int64
	Recipients []spool.Recipient
	Next       time.Time // when it is tried next; zero: at once
	Header     string    // only from Show
}

// Queue lists the messages that are not delivered yet, the oldest first.
func (s *Server) Queue() []Waiting {
	var list []Waiting
	for _, e := range s.spool.All() {
		list = append(list, s.queue.describe(e))
	}
	slices.SortFunc(list, func(a, b Waiting) int { return cmp.Or(a.Arrived.Compare(b.Arrived), cmp.Compare(a.ID, b.ID)) })
	return list
}

// describe puts together what the spool and the lanes know of a message.
func (q *queue) describe(e *spool.Envelope) Waiting {
	w := Waiting{ID: e.ID, From: e.From, Arrived: e.Arrived, Size: e.Size, Recipients: e.Recipients}
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range w.Recipients {
		r := &w.Recipients[i]
		l := q.lanes[now.laneOf(r.To)]
		if l == nil || r.State != spool.Waiting {
			continue
		}
		if r.Reason == "" || l.reason != "" {
			r.Reason = l.reason
		}
		at := l.next
		if k := slices.IndexFunc(l.items, func(i item) bool { return i.id == e.ID }); k >= 0 && l.items[k].at.After(at) {
			at = l.items[k].at
		}
		if w.Next.IsZero() || at.Before(w.Next) {
			w.Next = at
		}
	}
	return w
}

// Show returns one message of the queue with its header, and without its body:
// whose box it is may know where a mail stands, and reads nobody's mail by that.
func (s *Server) Show(id string) (Waiting, error) {
	e, err := s.find(id)
	if err != nil {
		return Waiting{}, err
	}
	w := s.queue.describe(e)
	f, err := s.spool.Content(e.ID)
	if err != nil {
		return w, err
	}
	defer f.Close()
	header, err := message.Read(bufio.NewReader(f))
	w.Header = header.String()
	return w, err
}

// Flush tries at once what waits for a friend, "" for everybody, and returns
// how many messages that is.
func (s *Server) Flush(petname string) (int, error) {
	if petname == "" {
		return s.queue.flush(""), nil
	}
	key, ok := s.now().Friends[petname]
	if !ok {
		return 0, errors.New("no friend is called " + petname)
	}
	return s.queue.flush(lane(key)), nil
}

// Drop removes a message from the queue. Nobody is told.
func (s *Server) Drop(id string) error {
	e, err := s.find(id)
	if err != nil {
		return err
	}
	return s.spool.Remove(e.ID)
}

// find returns the one message whose ID begins with id.
func (s *Server) find(id string) (*spool.Envelope, error) {
	var found *spool.Envelope
	for _, e := range s.spool.All() {
		if id == "" || !strings.HasPrefix(e.ID, id) {
			continue
		}
		if found != nil {
			return nil, errors.New("the IDs of several messages begin so: type more of it")
		}
		found = e
	}
	if found == nil {
		return nil, spool.ErrUnknown
	}
	return found, nil
}
