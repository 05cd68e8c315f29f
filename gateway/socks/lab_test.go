//go:build lab

package socks

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/lonetor"
	"tunic/internal/sockets"
)

// servePage is a web server of one page.
func servePage(c *net.UnixConn) {
	r := bufio.NewReader(c)
	for {
		if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
			break
		}
	}
	fmt.Fprint(c, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
}

// curl is a client that nobody here wrote.
func TestCurl(t *testing.T) {
	tor := newFakeTor(t)
	tor.serve = servePage
	p := newProxy(t, Options{DialTor: tor.dial})
	for _, tc := range []struct {
		args, want string
		fails      bool
	}{
		{"--socks5-hostname " + p.addr + " http://www.example.com/", "name www.example.com:80 as 127.0.0.1", false},
		{"--proxy socks5h://me:word@" + p.addr + " http://www.example.com:8080/", "name www.example.com:8080 as 127.0.0.1", false},
		{"--interface 127.0.0.7 --socks5-hostname " + p.addr + " http://8.8.8.8/", "addr 8.8.8.8:80 as 127.0.0.7", false},
		{"--socks5-hostname " + p.addr + " http://192.168.77.20/", "", true},
		{"--socks4a " + p.addr + " http://www.example.com/", "", true},
		{"--proxy http://" + p.addr + " --proxytunnel http://www.example.com/", "", true},
	} {
		before := len(tor.asked())
		out, err := exec.Command("sh", "-c", "curl --silent --max-time 5 --noproxy '' "+tc.args).CombinedOutput()
		if (err != nil) != tc.fails || !tc.fails && string(out) != "hello\n" {
			t.Errorf("curl %s: %q, %v", tc.args, out, err)
		}
		asked := tor.asked()[before:]
		if tc.fails && len(asked) != 0 || !tc.fails && (len(asked) != 1 || asked[0].String() != tc.want) {
			t.Errorf("curl %s: tor was asked for %v", tc.args, asked)
		}
	}
}

// Real tor, in a namespace without any network, sees each device's own
// credentials and isolates by them.
func TestTorIsolatesDevices(t *testing.T) {
	const mark = "TUNIC_SOCKS_NAMESPACE"
	if os.Getenv(mark) == "" {
		ns := fmt.Sprintf("tunic-rs-s%d", os.Getpid())
		run(t, "ip netns add "+ns)
		t.Cleanup(func() { run(t, "ip netns del "+ns) })
		run(t, "ip -n "+ns+" link set lo up")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "ip", "netns", "exec", ns, os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), mark+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Errorf("in the namespace: %v", err)
		}
		return
	}
	socket := sockets.Path(t)
	tor := lonetor.Start(t, "SocksPort unix:"+socket+" WorldWritable")
	p := newProxy(t, Options{ConnectTimeout: 10 * time.Second, DialTor: func(ctx context.Context) (*net.UnixConn, error) {
		return dialSocket(ctx, socket)
	}})
	passwords := make(map[string]string)
	for i, device := range []string{"127.0.0.2", "127.0.0.3"} {
		host := fmt.Sprintf("device%d.example.com", i)
		c := p.connect(t, device)
		fmt.Fprintf(c, "\x05\x01\x00%s", requestTo(host, 80))
		line := tor.Stream(t, host)
		_, password, _ := strings.Cut(line, "SOCKS_PASSWORD=")
		password, _, _ = strings.Cut(password, " ")
		if !strings.Contains(line, `SOCKS_USERNAME="`+device+`"`) || len(password) != 34 {
			t.Errorf("%s: %q", device, line)
		}
		if _, iso, _ := strings.Cut(line, "ISO_FIELDS="); !strings.Contains(iso, "SOCKS_USERNAME,SOCKS_PASSWORD") {
			t.Errorf("%s: tor does not isolate by credentials: %q", device, line)
		}
		if other, ok := passwords[password]; ok {
			t.Errorf("%s and %s have one password", device, other)
		}
		passwords[password] = device
	}
}

func run(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// TestTorsocks: a program in torsocks, which asks for names by RESOLVE, and
// connects to what it is told.
func TestTorsocks(t *testing.T) {
	tor := newFakeTor(t)
	tor.reply = []byte("\x05\x00\x00\x01\xcb\x00\x71\x50\x00\x00")
	tor.serve = servePage
	p := newProxy(t, Options{DialTor: tor.dial})
	_, port, _ := net.SplitHostPort(p.addr)
	out, err := exec.Command("torsocks", "-a", "127.0.0.1", "-P", port, "curl", "--silent", "--max-time", "5", "--ipv4",
		"http://web.example/").CombinedOutput()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("torsocks curl: %q, %v", out, err)
	}
	asked := tor.asked()
	if len(asked) != 2 || asked[0].to != "name web.example:0" || asked[0].command != commandResolve ||
		asked[1].to != "addr 203.0.113.80:80" {
		t.Errorf("tor was asked for %v", asked)
	}
}
