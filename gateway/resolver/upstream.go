package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// strayReplies is how many messages that answer something else are skipped on
// one socket before the server is given up.
const strayReplies = 16

var errStray = errors.New("the server sends answers to other questions")

// exchange sends m over conn and waits for the reply that has its id and its
// question; other messages are skipped. It ends with ctx.
func exchange(ctx context.Context, conn net.Conn, m *dns.Msg) (*dns.Msg, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	if err := c.WriteMsg(m); err != nil {
		return nil, fmt.Errorf("sending a question: %w", err)
	}
	for range strayReplies {
		reply, err := c.ReadMsg()
		if err != nil && !isMalformed(err) {
			return nil, fmt.Errorf("waiting for an answer: %w", err)
		}
		if err == nil && answers(reply, m) {
			return reply, nil
		}
	}
	return nil, errStray
}

// isMalformed tells a message that cannot be read from a socket that cannot.
func isMalformed(err error) bool {
	var parse *dns.Error
	return errors.As(err, &parse)
}

// answers reports whether reply belongs to m (RFC 5452, section 9.1).
func answers(reply, m *dns.Msg) bool {
	if !reply.Response || reply.Id != m.Id || reply.Opcode != m.Opcode || len(reply.Question) != 1 {
		return false
	}
	got, want := reply.Question[0], m.Question[0]
	return got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

// ask makes a message with one question and an id that nobody can foresee.
func ask(q dns.Question) *dns.Msg {
	return &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: true},
		Question: []dns.Question{q},
	}
}
