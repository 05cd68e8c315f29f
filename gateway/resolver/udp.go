package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// udpServer answers datagrams. What is here already, a name of the house or what Tor
// has said before, is answered by the reader itself, as many at once as have come; only
// a question that has to wait gets a goroutine.
type udpServer struct {
	handler
	conn    *net.UDPConn
	waiting sync.WaitGroup
	images  images
}

// readPause is how long nothing is read after reading has failed.
const readPause = time.Millisecond

// serveUDP answers on conn until ctx or shut ends, or reading fails.
func (h handler) serveUDP(ctx, shut context.Context, conn *net.UDPConn) error {
	s := &udpServer{handler: h, conn: conn}
	in, err := newDatagrams(conn)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	// The past ends the reading, and leaves the socket open for answers.
	wake := func() { conn.SetReadDeadline(time.Unix(1, 0)) }
	defer context.AfterFunc(ctx, wake)()
	defer context.AfterFunc(shut, wake)()
	err = s.read(in)
	if ctx.Err() == nil && shut.Err() == nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	return s.wait(ctx)
}

// read answers until reading fails for good.
func (s *udpServer) read(in *datagrams) error {
	for {
		n, err := in.receive()
		switch {
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case err != nil: // of an earlier answer, as of one that nobody wanted (ICMP)
			time.Sleep(readPause) // one that lasts takes no processor
			continue
		}
		s.images.renew(s.Resolver)
		for i := range n {
			s.answer(in, i)
		}
		in.flush()
	}
}

// wait is for the answers that are under way when the reading has ended.
func (s *udpServer) wait(ctx context.Context) error {
	grace := stopGrace
	if ctx.Err() == nil {
		grace = answerGrace
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	done := make(chan struct{})
	go func() { s.waiting.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("stopping DNS: questions are still under way after %v", grace)
	}
}

// answer makes the answer to one datagram, or lets a goroutine wait for it.
func (s *udpServer) answer(in *datagrams, i int) {
	defer s.survive()
	b, who := in.received(i), s.who(in.source(i))
	if reply := s.fromImage(who, b, in.room(i)); reply != nil {
		in.reply(i, reply)
		return
	}
	reply, t, done := s.fresh(who, b, in.room(i))
	if done {
		in.reply(i, reply)
		return
	}
	s.later(t, in.keep(i))
}

// fromImage returns the answer to a question that was answered before, nil if it has to
// be made.
func (s *udpServer) fromImage(who netip.Addr, b, room []byte) []byte {
	at := s.images.look(who, b)
	if at == nil || at.known && s.overSince(at, who) {
		return nil
	}
	s.counts.queries.Add(1)
	if at.known {
		s.counts.cached.Add(1)
	}
	return at.again(room, b, s.images.nameEnds, s.images.now)
}

// fresh makes an answer from what is here, nil for none, and keeps its image. Without
// done it has to be waited for.
func (s *udpServer) fresh(who netip.Addr, b, room []byte) (reply []byte, t turn, done bool) {
	req := new(dns.Msg)
	if refusal, ok := unpack(b, req); !ok {
		return refusal, t, true
	}
	s.counts.queries.Add(1)
	if t, done = s.begin(who, req); done {
		reply = s.close(&t, false, room)
		s.images.learn(&t, reply)
	}
	return reply, t, done
}

// overSince reports whether what Tor has said is not to be said again: another device has
// the address now, which is not to learn what this one asked for, or a list hides the name.
func (s *udpServer) overSince(at *image, who netip.Addr) bool {
	return at.mac != s.Devices.MAC(who) || s.Blocked != nil && s.blocked(s.images.state, who, at.public)
}

// later answers when what the question needs has come.
func (s *udpServer) later(t turn, to *origin) {
	s.waiting.Go(func() {
		defer s.survive()
		t.finish()
		if b := s.close(&t, false, nil); b != nil {
			to.send(b)
		}
	})
}

// unpack reads a question. What is none gets a refusal, or nothing.
func unpack(b []byte, req *dns.Msg) (refusal []byte, ok bool) {
	if len(b) < headerSize {
		return nil, false
	}
	rcode := dns.RcodeFormatError
	switch accept(headerOf(b)) {
	case dns.MsgIgnore:
		return nil, false
	case dns.MsgRejectNotImplemented:
		rcode = dns.RcodeNotImplemented
	case dns.MsgAccept:
		if req.Unpack(b) == nil {
			return nil, true
		}
	}
	const response, keptBits = 0x80, 0x79 // of the third byte: the opcode and whether recursion is desired
	refusal = make([]byte, headerSize)
	copy(refusal, b[:2])
	refusal[2], refusal[3] = response|b[2]&keptBits, byte(rcode)
	return refusal, false
}

// headerOf is the header of a message (RFC 1035, section 4.1.1).
func headerOf(b []byte) dns.Header {
	at := func(i int) uint16 { return binary.BigEndian.Uint16(b[i:]) }
	return dns.Header{Id: at(0), Bits: at(2), Qdcount: at(4), Ancount: at(6), Nscount: at(8), Arcount: at(10)}
}

// identity is the address that identifies a device.
func identity(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
