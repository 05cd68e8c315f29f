package resolver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
	"tunic/gateway/onion"
)

// upstream is a DNS server on loopback with fixed answers. It is strict: a
// question that it does not have fails the test. It prints what it was asked.
type upstream struct {
	t    *testing.T
	addr netip.AddrPort
	dig  func(q dns.Question, req *dns.Msg) *dns.Msg // nil: no answer at all

	mu     sync.Mutex
	asked  []string     // "A example.com.", in order
	from   []netip.Addr // who asked
	strict func(req *dns.Msg) error
}

func (u *upstream) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.asked, ", ")
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.asked)
}

// since waits for what was asked after the first n questions, until there are as many as
// are wanted, and returns it in the order of the alphabet.
func (u *upstream) since(n, wanted int) string {
	for end := time.Now().Add(patience); u.count() < n+wanted && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(u.asked[n:])), ", ")
}

// patience is how long tests wait for what a busy machine may do late.
const patience = 30 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// both is a question for each family, as since has it.
func both(name string) string { return "A " + name + ", AAAA " + name }

func (u *upstream) sources() map[netip.Addr]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make(map[netip.Addr]bool)
	for _, a := range u.from {
		all[a] = true
	}
	return all
}

func (u *upstream) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	q := req.Question[0]
	u.mu.Lock()
	u.asked = append(u.asked, dns.TypeToString[q.Qtype]+" "+q.Name)
	u.from = append(u.from, identity(device.Addr(w.RemoteAddr())))
	u.mu.Unlock()
	if err := u.strict(req); err != nil {
		u.t.Errorf("upstream got a question that it must not get: %v", err)
	}
	if m := u.dig(q, req); m != nil {
		w.WriteMsg(m)
	}
}

// listenUpstream starts u on UDP and TCP of one port.
func listenUpstream(t *testing.T, u *upstream) *upstream {
	t.Helper()
	u.t = t
	if u.strict == nil {
		u.strict = func(*dns.Msg) error { return nil }
	}
	udp, tcp := listenBoth(t, "127.0.0.1:0")
	u.addr = netip.MustParseAddrPort(udp.LocalAddr().String())
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: u}, {Listener: tcp, Handler: u}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return u
}

func listenBoth(t *testing.T, addr string) (*net.UDPConn, net.Listener) {
	t.Helper()
	for range 20 { // the UDP port may be taken for TCP
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp.(*net.UDPConn), tcp
		}
		tcp.Close()
	}
	t.Fatal("no port that is free for UDP and TCP")
	return nil, nil
}

// rr parses one record in the text form of zone files.
func rr(text string) dns.RR {
	r, err := dns.NewRR(text)
	if err != nil {
		panic(err)
	}
	return r
}

// torNames is a dig that answers like tor's DNSPort: one record, or NXDOMAIN
// when there is none of the type that was asked for.
func torNames(records ...string) func(dns.Question, *dns.Msg) *dns.Msg {
	return func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(req)
		for _, text := range records {
			r := rr(text)
			if r.Header().Rrtype == q.Qtype && strings.EqualFold(r.Header().Name, q.Name) {
				m.Answer = append(m.Answer, r)
			}
		}
		if m.Answer == nil {
			m.Rcode = dns.RcodeNameError
		}
		return m
	}
}

// torStrict is what tor's DNSPort can carry.
func torStrict(req *dns.Msg) error {
	q := req.Question[0]
	switch {
	case q.Qtype != dns.TypeA && q.Qtype != dns.TypeAAAA && q.Qtype != dns.TypePTR, q.Qclass != dns.ClassINET:
		return fmt.Errorf("tor cannot answer %v", &q)
	case len(req.Extra) != 0:
		return fmt.Errorf("tor knows no EDNS: %v", req)
	case q.Name != strings.ToLower(q.Name):
		return fmt.Errorf("the spelling of a device went on: %v", &q)
	}
	return nil
}

// testOnion is a possible address: the key does not matter.
var testOnion = onion.FromPublicKey(make([]byte, 32)).Host()

var testSecret = [16]byte{1, 2, 3}

var testConfig = Config{
	Box: []netip.Prefix{
		netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64"),
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("2001:db8:77::1/64"),
	},
	Virtual4: netip.MustParsePrefix("10.192.0.0/10"),
	Virtual6: netip.MustParsePrefix("fdaa:bbbb:cccc::/48"),
}

// home is a resolver that serves on loopback.
type home struct {
	*Resolver
	addr string
	tor  *upstream
}

// manyDevices takes each of 127.0.0.x for a device, and 127.0.1.x for addresses
// of one more.
func manyDevices() (map[netip.Addr]string, error) {
	macs := make(map[netip.Addr]string)
	for i := range 256 {
		macs[netip.AddrFrom4([4]byte{127, 0, 0, byte(i)})] = fmt.Sprintf("02:00:5e:10:00:%02x", i)
		macs[netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})] = "02:00:5e:10:ff:ff"
	}
	return macs, nil
}

// newHome starts a resolver whose devices are 127.0.0.x. A nil tor is one that
// nothing may be asked of.
func newHome(t *testing.T, c Config, tor *upstream, change ...func(*Resolver)) *home {
	t.Helper()
	if tor == nil {
		tor = &upstream{strict: func(req *dns.Msg) error { return fmt.Errorf("it went to tor: %v", req.Question) }, dig: torNames()}
	}
	listenUpstream(t, tor)
	r, err := New(Options{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		DialTor: func(ctx context.Context, device netip.Addr) (net.Conn, error) {
			d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(LoopbackFor(device, testSecret), 0))}
			return d.DialContext(ctx, "udp", tor.addr.String())
		},
		DialForward: func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		},
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	r.Devices.Read = manyDevices
	for _, f := range change {
		f(r)
	}
	udp, tcp := listenBoth(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, udp, tcp) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &home{Resolver: r, addr: udp.LocalAddr().String(), tor: tor}
}

// ask sends a question as the device with this address; "" is 127.0.0.1.
func (h *home) ask(t *testing.T, device, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	return h.send(t, device, network, m)
}

func (h *home) send(t *testing.T, device, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	reply, err := h.trySend(device, network, m, patience)
	if err != nil {
		t.Fatalf("asking for %v: %v", m.Question, err)
	}
	if !reply.RecursionAvailable && reply.Rcode != dns.RcodeFormatError && reply.Rcode != dns.RcodeNotImplemented {
		t.Errorf("%v: the answer does not say that recursion is available", m.Question)
	}
	return reply
}

func (h *home) trySend(device, network string, m *dns.Msg, timeout time.Duration) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: timeout, Dialer: &net.Dialer{Timeout: timeout}}
	if device != "" {
		c.Dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(device), 0))
		if network == "tcp" {
			c.Dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(device), 0))
		}
	}
	reply, _, err := c.Exchange(m, h.addr)
	return reply, err
}

// brief is a reply in one line: "NOERROR 1.2.3.4 60".
func brief(m *dns.Msg) string {
	s := dns.RcodeToString[m.Rcode]
	for _, r := range m.Answer {
		text := strings.Fields(strings.TrimPrefix(r.String(), r.Header().String()))
		s += " " + strings.Join(text, " ")
	}
	return s
}
