//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// testRoute: devices that know nothing of Tor arrive from its exits.
func testRoute(w *world) {
	for _, url := range []string{"http://" + web4 + "/ip", "http://[" + web6 + "]/ip", "http://web.example/ip", "http://v6.example/ip"} {
		for _, node := range []string{"phone", "laptop"} {
			begin := time.Now()
			if from, ok := w.curl(node, 20, url); !ok || !house.IsExit(from) {
				w.Errorf("%s from the %s arrived from %q, which is no exit", url, node, from)
			}
			w.timed(node+" "+url, time.Since(begin))
		}
	}
	if from, ok := w.curl("gateway", 20, "http://"+web4+"/ip"); !ok || !house.IsExit(from) {
		w.Errorf("the box itself arrived from %q, which is no exit", from)
	}
	if page, ok := w.curl("phone", 5, "http://"+nas4+":8080/"); !ok || page != "This is the nas." {
		w.Errorf("the nas answers the phone %q", page)
	}
}

// onionLimit is how long a visit of an onion may take at worst: the first try
// may meet directories that do not know it yet, and costs its 20 s.
const onionLimit = 45 * time.Second

// testSOCKS: the proxy of the household, on the gateway's own address.
func testSOCKS(w *world) {
	for _, url := range []string{"http://web.example/ip", "http://" + web4 + "/ip", "http://[" + web6 + "]/ip"} {
		if from, ok := w.curl("phone", 20, "--socks5-hostname", box4+":9050", url); !ok || !house.IsExit(from) {
			w.Errorf("%s by SOCKS arrived from %q, which is no exit", url, from)
		}
	}
	friend := "gopher://" + w.must("friend", "tunic", "address", "home") + "/0/welcome.txt"
	w.timed("the friend's onion by SOCKS", w.fetched("phone", "Welcome to the box called friend", onionLimit,
		"--socks5-hostname", box4+":9050", friend))
	if got, ok := w.curl("phone", 10, "--socks5-hostname", box4+":9050", "http://"+nas4+":8080/"); ok {
		w.Errorf("the proxy leads into the house: %q", got)
	}
	if got := strings.TrimSpace(w.must("phone", "tor-resolve", "web.example", box4+":9050")); got != web4 && got != web6 {
		w.Errorf("tor-resolve finds web.example at %q", got)
	}
	if r := w.exec("phone", "tor-resolve", "printer", box4+":9050"); r.Code == 0 {
		w.Errorf("an exit was asked for a name of the house: %q", r.Stdout)
	}
	if from, ok := w.curl("phone", 20, "--socks5-hostname", "["+box6+"]:9050", "http://web.example/ip"); !ok || !house.IsExit(from) {
		w.Errorf("by the proxy's IPv6 address the phone arrived from %q", from)
	}
}

// testPolicies gives the phone one policy after the other.
func testPolicies(w *world) {
	w.policy("phone", config.PolicyDirect)
	w.policy("laptop", config.PolicyDirect)
	w.arrivesFrom(wan4, phone6)
	held, others := w.hold(w.phone), w.hold(w.laptop)
	w.policy("phone", config.PolicyTor)
	w.cut(held, others)
	w.goOn(others)
	w.noPolicy("laptop")
	w.arrives()

	w.policy("phone", config.PolicyOnion)
	w.arrivesFrom(wan4, phone6)
	onion := w.must("friend", "tunic", "address", "home")
	w.fetched("phone", "Welcome to the box called friend", onionLimit, "gopher://"+onion+"/0/welcome.txt")

	w.policy("phone", config.PolicyBlock)
	for _, to := range []string{"tcp " + web4 + ":80", "tcp [" + web6 + "]:80", "udp " + web4 + ":443"} {
		network, address, _ := strings.Cut(to, " ")
		begin := time.Now()
		if err := w.provoke(network, address); !isRefused(err) || time.Since(begin) > atOnce {
			w.Errorf("policy block: %s: %v after %v", to, err, time.Since(begin))
		}
	}
	w.noPolicy("phone")
	w.arrives()
}

// arrivesFrom checks by which addresses the phone is seen without Tor.
func (w *world) arrivesFrom(four, six string) {
	w.Helper()
	for url, want := range map[string]string{"http://" + web4 + "/ip": four, "http://[" + web6 + "]/ip": six} {
		if from, ok := w.curl("phone", 5, url); !ok || from != want {
			w.Errorf("%s: the phone arrived from %q, not from %s", url, from, want)
		}
	}
}

// hold opens a download in clear that the far side goes on sending.
func (w *world) hold(host traffic.Host) []net.Conn {
	w.Helper()
	var held []net.Conn
	for _, address := range []string{web4 + ":80", "[" + web6 + "]:80"} {
		conn, err := host.Dial(w.ctx, "tcp", address)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /blob?bytes=1000000000 HTTP/1.0\r\n\r\n"); err != nil {
			w.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1<<16)); err != nil {
			w.Fatal(err)
		}
		held = append(held, conn)
	}
	return held
}

// goOn checks that downloads of a device go on, and ends them.
func (w *world) goOn(held []net.Conn) {
	w.Helper()
	for _, conn := range held {
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			w.Error(err)
		}
		if _, err := io.CopyN(io.Discard, conn, 16<<20); err != nil { // more than the buffers hold
			w.Errorf("another device's connection ended: %v", err)
		}
		conn.Close()
	}
}

// cut checks that connections from before a stricter policy are dead, and that
// neither they nor the kernel's answers to the far side leave (L19, M03). What
// others say, who still may, does not count.
func (w *world) cut(held, others []net.Conn) {
	w.Helper()
	mark := w.wan.MustMark(w)
	for _, conn := range held {
		if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
			w.Error(err)
		}
		if n, err := io.Copy(io.Discard, conn); err == nil || n > 64<<20 {
			w.Errorf("a connection from before went on: %d bytes, %v", n, err)
		}
		_, _ = conn.Write([]byte("x")) // an error is what is wished
		conn.Close()
	}
	w.eventually("the far side sends again what was not acknowledged", 30*time.Second, func() bool {
		return len(w.wan.MustLines(w, mark, "ip and tcp src port 80")) > 0 && len(w.wan.MustLines(w, mark, "ip6 and tcp src port 80")) > 0
	})
	w.pause(settle)
	filter := "(" + w.lab.Plan().ForeignFilter("gateway") + ")"
	for _, conn := range others {
		filter += fmt.Sprintf(" and not tcp src port %d", conn.LocalAddr().(*net.TCPAddr).Port)
	}
	if leaked := w.wan.MustLines(w, mark, filter); len(leaked) > 0 {
		w.Errorf("after the policy became stricter %d packets left, the first: %s", len(leaked), leaked[0])
	}
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
