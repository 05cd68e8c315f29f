package internet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Names maps names, in lower case and with the final dot, to their addresses.
type Names map[string][]netip.Addr

// Query is one question that the DNS server got.
type Query struct {
	Time   time.Time      `json:"time"`
	Client netip.AddrPort `json:"client"`
	Net    string         `json:"net"`  // udp or tcp
	Name   string         `json:"name"` // lower case, with the final dot
	Type   string         `json:"type"` // A, AAAA, TXT
}

// answerTTL is in seconds; tests wait for nothing longer.
const answerTTL = 30

// DNS is an authoritative server for a few names. It answers A, AAAA, PTR, MX
// and TXT, refuses .onion (RFC 7686), says NXDOMAIN to all else, and writes every
// question to its log.
type DNS struct {
	names Names

	mu  sync.Mutex
	log *json.Encoder
}

// NewDNS returns a server for the names that writes one JSON object, a Query,
// for each question to log.
func NewDNS(names Names, log io.Writer) *DNS {
	return &DNS{names: names, log: json.NewEncoder(log)}
}

// ServeUDP answers questions on the socket until ctx ends.
func (d *DNS) ServeUDP(ctx context.Context, pc net.PacketConn) error {
	return d.serve(ctx, &dns.Server{PacketConn: pc, Handler: d}, pc.LocalAddr())
}

// ServeTCP answers questions on the listener until ctx ends.
func (d *DNS) ServeTCP(ctx context.Context, ln net.Listener) error {
	return d.serve(ctx, &dns.Server{Listener: ln, Handler: d}, ln.Addr())
}

func (d *DNS) serve(ctx context.Context, srv *dns.Server, addr net.Addr) error {
	started := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(started) }
	stop := context.AfterFunc(ctx, func() {
		<-started // a server that has not started cannot be shut down
		_ = srv.Shutdown()
	})
	defer stop()
	if err := srv.ActivateAndServe(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serving DNS on %s: %w", addr, err)
	}
	return nil
}

// ServeDNS implements dns.Handler.
func (d *DNS) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(request)
	reply.Authoritative = true
	if len(request.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		_ = w.WriteMsg(reply)
		return
	}
	q := request.Question[0]
	q.Name = strings.ToLower(q.Name)
	if err := d.record(w.RemoteAddr(), q); err != nil {
		reply.Rcode = dns.RcodeServerFailure // a question that is not on record must not look answered
	} else {
		reply.Rcode, reply.Answer = d.answer(q)
	}
	_ = w.WriteMsg(reply) // a caller that is gone is no error of ours
}

func (d *DNS) record(from net.Addr, q dns.Question) error {
	client, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return fmt.Errorf("recording a question: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Encode(Query{Time: time.Now(), Client: client, Net: from.Network(), Name: q.Name, Type: dns.TypeToString[q.Qtype]})
}

// answer returns the response code and the records for a question.
func (d *DNS) answer(q dns.Question) (int, []dns.RR) {
	if q.Name == "onion." || strings.HasSuffix(q.Name, ".onion.") {
		return dns.RcodeRefused, nil
	}
	if strings.HasSuffix(q.Name, ".arpa.") {
		return d.reverse(q)
	}
	addrs, ok := d.names[q.Name]
	if !ok {
		return dns.RcodeNameError, nil
	}
	var records []dns.RR
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: answerTTL}
	for _, a := range addrs {
		switch {
		case q.Qtype == dns.TypeA && a.Is4():
			records = append(records, &dns.A{Hdr: head, A: a.AsSlice()})
		case q.Qtype == dns.TypeAAAA && a.Is6():
			records = append(records, &dns.AAAA{Hdr: head, AAAA: a.AsSlice()})
		}
	}
	if q.Qtype == dns.TypeMX {
		records = append(records, &dns.MX{Hdr: head, Preference: 10, Mx: q.Name})
	}
	if q.Qtype == dns.TypeTXT {
		records = append(records, &dns.TXT{Hdr: head, Txt: []string{"the lab's " + strings.TrimSuffix(q.Name, ".")}})
	}
	return dns.RcodeSuccess, records
}

// reverse answers questions for the name of an address.
func (d *DNS) reverse(q dns.Question) (int, []dns.RR) {
	head := dns.RR_Header{Name: q.Name, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: answerTTL}
	var records []dns.RR
	known := false
	for name, addrs := range d.names {
		for _, a := range addrs {
			if reverse, err := dns.ReverseAddr(a.String()); err != nil || reverse != q.Name {
				continue
			}
			known = true
			if q.Qtype == dns.TypePTR {
				records = append(records, &dns.PTR{Hdr: head, Ptr: name})
			}
		}
	}
	if !known {
		return dns.RcodeNameError, nil
	}
	return dns.RcodeSuccess, records
}

// ReadQueries reads the log of a DNS server. A log that is not there yet holds
// no questions.
func ReadQueries(path string) ([]Query, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the questions asked: %w", err)
	}
	defer f.Close()
	var queries []Query
	for dec := json.NewDecoder(f); ; {
		var q Query
		err := dec.Decode(&q)
		if errors.Is(err, io.EOF) {
			return queries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the questions asked: %w", err)
		}
		queries = append(queries, q)
	}
}
