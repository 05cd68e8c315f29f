package resolver

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

// forward puts the question of req to a server in the home, by datagram and,
// when the answer is cut, by TCP. Nothing is cached: the server is near, and
// names at home change with every lease.
func (r *Resolver) forward(ctx context.Context, server netip.AddrPort, req *dns.Msg) (*dns.Msg, error) {
	m := ask(req.Question[0])
	m.CheckingDisabled = req.CheckingDisabled
	if opt := req.IsEdns0(); opt != nil {
		m.SetEdns0(ednsSize, opt.Do())
	}
	reply, err := r.forwardUDP(ctx, server, m)
	if err == nil && reply.Truncated {
		reply, err = r.forwardOver(ctx, "tcp", server, m)
	}
	if err != nil {
		return nil, fmt.Errorf("asking a dns.forward server: %w", err)
	}
	return reply, nil
}

// forwardUDP sends the datagram a second time, as one can get lost.
func (r *Resolver) forwardUDP(ctx context.Context, server netip.AddrPort, m *dns.Msg) (*dns.Msg, error) {
	first, cancel := context.WithTimeout(ctx, forwardTry)
	defer cancel()
	reply, err := r.forwardOver(first, "udp", server, m)
	if timedOut := first.Err() != nil && ctx.Err() == nil; err == nil || !timedOut {
		return reply, err
	}
	return r.forwardOver(ctx, "udp", server, m)
}

func (r *Resolver) forwardOver(ctx context.Context, network string, server netip.AddrPort, m *dns.Msg) (*dns.Msg, error) {
	conn, err := r.DialForward(ctx, network, server)
	if err != nil {
		return nil, fmt.Errorf("reaching it: %w", err)
	}
	defer conn.Close()
	return exchange(ctx, conn, m)
}

// copyForward takes the sections of a server's reply over into m. OPT and TSIG
// belong to the hop that they came over.
func copyForward(m, reply *dns.Msg) {
	m.Rcode = reply.Rcode
	m.Answer, m.Ns = reply.Answer, reply.Ns
	for _, rr := range reply.Extra {
		switch rr.Header().Rrtype {
		case dns.TypeOPT, dns.TypeTSIG:
		default:
			m.Extra = append(m.Extra, rr)
		}
	}
}
