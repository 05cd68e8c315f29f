package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/probe"
	"tunic/gateway/socks"
	"tunic/internal/sockets"
)

const ourHost = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

// circuitTor is a SocksPort that leads every stream to an onion's front, as the
// same tor does that publishes the onion.
type circuitTor struct {
	t     *testing.T
	front string // path of its socket; "": the onion is somebody else's
	reply func(n int) byte

	mu   sync.Mutex
	asks []string // password and destination of each stream
}

func (f *circuitTor) dial(context.Context) (*net.UnixConn, error) { return dialed(f.handle) }

func (f *circuitTor) handle(c net.Conn) {
	r := bufio.NewReader(c)
	take := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
	take(3)
	c.Write([]byte{5, 2})
	take(int(take(2)[1]))
	password := string(take(int(take(1)[0])))
	c.Write([]byte{1, 0})
	host := string(take(int(take(5)[4])))
	port := take(2)
	f.mu.Lock()
	f.asks = append(f.asks, password+" "+host)
	code := f.reply(len(f.asks))
	f.mu.Unlock()
	c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	if code != 0 {
		return
	}
	if f.front == "" { // whoever has the same keys
		take(1)
		fmt.Fprint(c, "220 welcome to another box, and to all its pictures\r\n")
		return
	}
	far, err := net.Dial("unix", f.front)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer far.Close()
	fmt.Fprintf(far, "PROXY TCP6 fc00:dead:beef:4dad::1:2 ::1 1 %d\r\n", int(port[0])<<8|int(port[1]))
	go func() { io.Copy(far, r); far.(*net.UnixConn).CloseWrite() }()
	io.Copy(c, far)
}

func always(code byte) func(int) byte { return func(int) byte { return code } }

// callee serves one onion with a target that counts its callers.
func callee(t *testing.T, tor *circuitTor) (*Server, link.Front) {
	t.Helper()
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.socks, err = socks.New(socks.Options{Log: s.log, Home: s.resolver, DialTor: tor.dial})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "reach")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	want := link.Front{Onion: "photos", Host: ourHost, Ports: []link.Port{
		{Virtual: 80, Addr: target(t, "web"), Probe: "tcp"}, {Virtual: 22, Addr: target(t, "SSH-2.0-x\r\n"), Probe: "ssh"}}}
	f := s.front(want, uint32(os.Getuid()))
	ctx, cancel := context.WithCancel(t.Context())
	visited := onion.Relay{Dial: func(context.Context, uint32) (net.Conn, error) {
		t.Error("a call went on to the target")
		return nil, errors.New("no")
	}}
	f.SetRoutes(ctx, map[uint16]onion.Route{80: {Key: "a", Handler: visited}, 22: {Key: "b", Handler: visited}})
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	s.wished = []link.Front{want}
	if tor.front != "" {
		tor.front = path
	}
	return s, want
}

func TestReachCallsThroughTor(t *testing.T) {
	tor := &circuitTor{t: t, front: "ours", reply: always(0)}
	s, _ := callee(t, tor)
	reached, err := s.reach(t.Context(), link.Trial{Onion: "photos", Call: true})
	if err != nil || len(reached.Calls) != 2 {
		t.Fatalf("%+v, %v", reached, err)
	}
	for i, c := range reached.Calls {
		if c.Error != "" || c.Elsewhere || c.Took <= 0 || c.At.IsZero() {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	// One circuit for the ports of a call, another for the next call.
	s.reach(t.Context(), link.Trial{Onion: "photos", Call: true})
	if len(tor.asks) != 4 || tor.asks[0] != tor.asks[1] || tor.asks[1] == tor.asks[2] || !strings.HasSuffix(tor.asks[0], " "+ourHost) {
		t.Errorf("tor was asked for %q", tor.asks)
	}
	if n := s.fronts["photos"].Counts(); n.Streams != 0 || n.Active != 0 {
		t.Errorf("calls count as visitors: %+v", n)
	}
	if st := reached.Ports; !st[0].Reachable || !st[1].Reachable || st[1].Saw != "SSH-2.0-x" {
		t.Errorf("targets: %+v", st)
	}
}

func TestReachSaysWhyNot(t *testing.T) {
	for name, tc := range map[string]struct {
		tor   *circuitTor
		want  string
		tries int
	}{
		"no descriptor":          {&circuitTor{front: "ours", reply: always(0xF0)}, "no directory has its descriptor", 2},
		"not on the second time": {&circuitTor{front: "ours", reply: func(n int) byte { return []byte{0xF2, 0, 0}[n-1] }}, "", 3},
		"another box":            {&circuitTor{reply: always(0)}, "another box answers", 2},
	} {
		t.Run(name, func(t *testing.T) {
			tc.tor.t = t
			s, _ := callee(t, tc.tor)
			reached, err := s.reach(t.Context(), link.Trial{Onion: "photos", Call: true})
			if err != nil {
				t.Fatal(err)
			}
			calls := reached.Calls
			if len(calls) != 2 || len(tc.tor.asks) != tc.tries {
				t.Fatalf("%+v after %d tries", calls, len(tc.tor.asks))
			}
			for _, c := range calls {
				if tc.want == "" && c.Error != "" || !strings.Contains(c.Error, tc.want) || c.Elsewhere != (name == "another box") {
					t.Errorf("%+v", c)
				}
			}
			if tc.tries > 1 && tc.tor.asks[0] == tc.tor.asks[1] {
				t.Error("the second try was on the same circuit")
			}
		})
	}
	s, _ := callee(t, &circuitTor{t: t, reply: always(0)})
	if r, err := s.reach(t.Context(), link.Trial{Onion: "nobody", Call: true}); err == nil {
		t.Errorf("an onion that is not there: %+v", r)
	}
}

// A status does not ask targets each time.
func TestLooksAreKept(t *testing.T) {
	var asked atomic.Int64
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go sockets.Answer(ln, func(c net.Conn) {
		asked.Add(1)
		if from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from != onion.CircuitSource(0) {
			t.Errorf("the target is asked from %s, as no visitor is", from)
		}
		fmt.Fprint(c, "RFB 003.008\n")
	})
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	f := link.Front{Host: ourHost, Ports: []link.Port{
		{Virtual: 1, Addr: addr, Probe: "vnc"}, {Virtual: 2, Addr: addr, Probe: "ssh"},
		{Virtual: 3, Addr: addr, Probe: "ssh", Guessed: true}, {Virtual: 4, Endpoint: "gopher"}}}
	for _, tc := range []struct {
		now  bool
		want int64
	}{{false, 3}, {false, 3}, {true, 6}, {false, 6}} {
		st := s.look(t.Context(), f, tc.now)
		if n := asked.Load(); n != tc.want {
			t.Errorf("the target was asked %d times, not %d", n, tc.want)
		}
		if !st[0].Reachable || st[0].Saw != "RFB 003.008" || st[1].Reachable || !strings.Contains(st[1].Error, "another protocol") ||
			!st[2].Reachable || st[3].Reachable {
			t.Errorf("%+v", st)
		}
	}
	for key, st := range s.probes.seen { // nine seconds later
		st.At = st.At.Add(-9 * time.Second)
		s.probes.seen[key] = st
	}
	if s.look(t.Context(), f, false); asked.Load() != 9 {
		t.Errorf("nine seconds later all targets were asked %d times, not 9", asked.Load())
	}
	ln.Close()
	if st := s.look(t.Context(), f, true); st[0].Reachable || st[0].Error == "" || time.Since(st[0].At) > time.Minute {
		t.Errorf("after the end of the target: %+v", st[0])
	}
}

// What a profile may name can be probed, and the other way round.
func TestProbesAreTheConfigurations(t *testing.T) {
	if got := probe.Kinds(); !slices.Equal(got, config.Probes) {
		t.Errorf("package probe knows %v, the configuration %v", got, config.Probes)
	}
}
