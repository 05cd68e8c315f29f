package resolver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// line is one connection to a TLS server. Questions are sent without waiting
// for earlier answers, which may come in any order (RFC 7766, section 6.2.1.1).
type line struct {
	idle   time.Duration
	silent time.Duration
	ready  chan struct{} // closed when conn is there
	ended  chan struct{} // closed when it has ended; then err says why
	cancel context.CancelFunc

	writing sync.Mutex
	mu      sync.Mutex
	conn    net.Conn
	waiting map[uint16]*waiter
	err     error
}

type waiter struct {
	question *dns.Msg
	reply    chan *dns.Msg // has room for it
}

// run reads answers until the connection ends or is idle for too long.
func (l *line) run(conn net.Conn) {
	defer conn.Close()
	l.mu.Lock()
	over := l.err != nil
	l.conn = conn
	l.mu.Unlock()
	if over {
		return
	}
	close(l.ready)
	for {
		conn.SetReadDeadline(time.Now().Add(l.idle))
		m, err := readMessage(conn)
		if err != nil {
			l.end(fmt.Errorf("%w: %w", errLineEnded, err))
			return
		}
		l.deliver(m)
	}
}

// readMessage reads one message after its length (RFC 1035, section 4.2.2). A
// server that sends what is no message cannot be trusted with the next length.
func readMessage(r io.Reader) (*dns.Msg, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(b)
}

// deliver hands an answer to whom it belongs; strays are dropped.
func (l *line) deliver(m *dns.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiting[m.Id]
	if w == nil {
		return
	}
	if q := *w.question; q.Id != m.Id || !answers(m, &q) {
		return
	}
	delete(l.waiting, m.Id)
	w.reply <- m
}

// ask sends a question and waits for its answer. It changes the id of m. A
// connection on which an answer does not come in time is given up: its circuit
// may be dead, and only a new one shows.
func (l *line) ask(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	select {
	case <-l.ready:
	case <-l.ended:
		return nil, l.why()
	case <-ctx.Done():
		return nil, fmt.Errorf("connecting to the resolver: %w", ctx.Err())
	}
	w, err := l.enlist(m)
	if err != nil {
		return nil, err
	}
	defer l.forget(w)
	if err := l.send(w.question); err != nil {
		l.end(fmt.Errorf("%w: %w", errLineEnded, err))
		return nil, l.why()
	}
	sent := time.Now()
	select {
	case reply := <-w.reply:
		return reply, nil
	case <-l.ended:
		return nil, l.why()
	case <-ctx.Done():
		if time.Since(sent) > l.silent {
			l.end(errLineEnded)
		}
		return nil, fmt.Errorf("waiting for the resolver: %w", ctx.Err())
	}
}

// enlist gives the question an id that no other one has now.
func (l *line) enlist(m *dns.Msg) (*waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	q := m.Copy()
	for q.Id = dns.Id(); l.waiting[q.Id] != nil; q.Id = dns.Id() {
	}
	w := &waiter{question: q, reply: make(chan *dns.Msg, 1)}
	l.waiting[q.Id] = w
	return w, nil
}

func (l *line) forget(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[w.question.Id] == w {
		delete(l.waiting, w.question.Id)
	}
}

// send writes length and message in one piece (RFC 7766, section 8).
func (l *line) send(m *dns.Msg) error {
	b, err := m.Pack()
	if err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.conn.SetDeadline(time.Now().Add(l.idle))
	_, err = l.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// end ends the connection for the first reason given.
func (l *line) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.ended)
	l.cancel()
	if l.conn != nil {
		l.conn.Close()
	}
}

func (l *line) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// quiet reports whether the connection is there and nobody waits on it.
func (l *line) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && len(l.waiting) == 0
}
