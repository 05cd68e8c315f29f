package onion

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	"tunic/internal/sockets"
)

func TestProxyHeaders(t *testing.T) {
	s := Stream{Circuit: 0x1011a, Port: 80}
	if got := string(proxyHeader(ProxyV1, s)); got != "PROXY TCP6 fc00:dead:beef:4dad::1:11a ::1 282 80\r\n" {
		t.Errorf("version 1: %q", got)
	}
	const want = "0d0a0d0a000d0a515549540a" + "21" + "21" + "0024" +
		"fc00deadbeef4dad000000000001011a" + "00000000000000000000000000000001" + "011a" + "0050"
	if got := hex.EncodeToString(proxyHeader(ProxyV2, s)); got != want {
		t.Errorf("version 2: %s", got)
	}
	// What we write we can read.
	if again, err := parseProxyLine(proxyHeader(ProxyV1, s)); err != nil || again != s {
		t.Errorf("read back: %+v, %v", again, err)
	}
}

func dialTo(addr string) func(context.Context, uint32) (net.Conn, error) {
	return func(ctx context.Context, _ uint32) (net.Conn, error) {
		d := net.Dialer{KeepAlive: -1} // as serve does on the box
		return d.DialContext(ctx, "tcp", addr)
	}
}

// The target gets the header first, and then what the visitor sends.
func TestRelaySendsProxyHeader(t *testing.T) {
	got := make(chan string, 1)
	target := sockets.Serve(t, func(c net.Conn) {
		text, _ := io.ReadAll(c)
		got <- string(text)
	}).String()
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", Relay{Dial: dialTo(target), Proxy: ProxyV1}}})
	c := dial(proxyLine(0x1011a, 80) + "hello")
	c.CloseWrite()
	io.ReadAll(c)
	if text := <-got; text != "PROXY TCP6 fc00:dead:beef:4dad::1:11a ::1 282 80\r\nhello" {
		t.Errorf("the target got %q", text)
	}
}

// A target that never ends does not keep a visitor's place when they are gone:
// tor closes both directions at once.
func TestTargetThatNeverEnds(t *testing.T) {
	defer func(d time.Duration) { afterVisitor = d }(afterVisitor)
	afterVisitor = 50 * time.Millisecond
	target := sockets.Serve(t, func(c net.Conn) {
		io.Copy(io.Discard, c)
		<-t.Context().Done()
	}).String()
	for name, site := range map[string]*Site{"as it is": nil, "by HTTP": {}} {
		f := &Front{TorUID: me()}
		dial, _ := start(t, f, map[uint16]Route{80: {"a", Relay{Dial: dialTo(target), Site: site}}})
		dial(proxyLine(1, 80)).Close()
		for end := time.Now().Add(time.Minute); f.Counts().Active > 0 || f.Counts().Streams == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: it goes on", name)
			}
		}
		if err := f.LastError(80); err == nil {
			t.Errorf("%s: it ended by itself", name)
		}
	}
}
