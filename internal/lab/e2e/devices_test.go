//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/internal/leaktest"
)

// testDevices uses the verbs about devices as their owner does.
func testDevices(w *world) {
	leases := filepath.Join(w.lab.Root("gateway"), "var/lib/misc/dnsmasq.leases")
	w.write(leases, "1 02:00:00:0a:00:10 192.168.77.10 phone *\n")
	defer w.remove(leases)
	w.run("a policy for a while", forAWhile)
	w.run("a policy for a while survives a restart", forAWhileRestarted)
	w.run("newnym", newNym)
	w.run("why", why)
	w.run("leaktest", leakTest)
	w.run("leaktest without a bridge", leakTestAlone)
	w.run("leaktest with another router on the wire", leakTestRouter)
	w.run("a portal in a household that Tor cannot be reached from", portal)
}

// forAWhile: the device is found by what it calls itself, goes direct, and
// loses its connections when the time is over.
func forAWhile(w *world) {
	begin := time.Now()
	w.must("gateway", "tunic", "device", "phone", "--policy", "direct", "--for", "8s")
	w.arrivesFrom(wan4, phone6)
	held := w.hold(w.phone)
	w.eventually("the policy ends", 30*time.Second, func() bool {
		return strings.Contains(w.must("gateway", "tunic", "device", "phone"), " tor ")
	})
	if took := time.Since(begin); took > 20*time.Second {
		w.Errorf("8 s took %v", took)
	}
	w.dead(held)
	w.arrives()
}

// dead checks that connections are at an end, and that nothing of them leaves.
// Nobody has read from them for long, so the far side may be silent.
func (w *world) dead(held []net.Conn) {
	w.Helper()
	mark := w.wan.MustMark(w)
	for _, conn := range held {
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			w.Error(err)
		}
		if n, err := io.Copy(io.Discard, conn); err == nil || n > 64<<20 {
			w.Errorf("a connection went on: %d bytes, %v", n, err)
		}
		_, _ = conn.Write([]byte("x")) // an error is what is wished
		conn.Close()
	}
	w.pause(settle)
	if leaked := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(leaked) > 0 {
		w.Errorf("after the policy ended %d packets left, the first: %s", len(leaked), leaked[0])
	}
}

func forAWhileRestarted(w *world) {
	w.must("gateway", "tunic", "device", "02:00:00:0a:00:10", "--policy", "block", "--for", "5m")
	w.stop(syscall.SIGKILL)
	w.start()
	if err := w.provoke("tcp", web4+":80"); !isRefused(err) {
		w.Errorf("after a restart the phone is not blocked any more: %v", err)
	}
	w.must("gateway", "tunic", "device", "02:00:00:0a:00:10", "--policy", "tor", "--for", "1s")
	w.arrives()
}

// newNym: the phone's connection ends and its next one has another circuit;
// the laptop's goes on.
func newNym(w *world) {
	phone, before := w.stream(w.phone.Dial)
	laptop, _ := w.stream(w.laptop.Dial)
	out := w.must("gateway", "tunic", "newnym", "phone")
	if !strings.Contains(out, "closed, new connections get new ones") || strings.Contains(out, " 0 circuits") {
		w.Errorf("it says %q", out)
	}
	if err := phone.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.Error(err)
	}
	if _, err := phone.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		w.Errorf("the phone's connection goes on: %v", err)
	}
	if _, after := w.stream(w.phone.Dial); after == before {
		w.Errorf("the phone's new connection has the circuit %s again", after)
	}
	if _, err := io.WriteString(laptop, "GET /ip HTTP/1.0\r\n\r\n"); err != nil {
		w.Error(err)
	}
	if err := laptop.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.Error(err)
	}
	if text, err := io.ReadAll(laptop); err != nil || !strings.Contains(string(text), "200 OK") {
		w.Errorf("the laptop's connection did not go on: %q, %v", text, err)
	}
}

// stream opens a connection to the web server and returns it with its circuit.
func (w *world) stream(dial func(ctx context.Context, network, address string) (net.Conn, error)) (net.Conn, string) {
	w.Helper()
	before := w.streams()
	conn, err := dial(w.ctx, "tcp", web4+":80")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	circuit := ""
	w.eventually("a stream", 20*time.Second, func() bool {
		for id, c := range w.streams() {
			if before[id] == "" {
				circuit = c
			}
		}
		return circuit != ""
	})
	return conn, circuit
}

// why agrees with what happens.
func why(w *world) {
	for _, c := range []struct{ args, want string }{
		{web4 + " --from phone", "goes through Tor"},
		{web4 + " --from 192.168.77.10 --protocol udp", "is refused at once"},
		{web6 + " --from 02:00:00:0a:00:10", "goes through Tor"},
		{web4 + " --own", "goes through Tor"},
		{"192.168.77.20 --from phone", "stays in the household"},
	} {
		out := w.must("gateway", append([]string{"tunic", "why"}, strings.Fields(c.args)...)...)
		if !strings.Contains(out, c.want) || !strings.Contains(out, "packets  ") {
			w.Errorf("why %s: %s", c.args, out)
		}
	}
}

func (w *world) leaks(args ...string) (leaktest.Results, int) {
	w.Helper()
	r := w.exec("gateway", append([]string{"tunic", "leaktest", "--json"}, args...)...)
	var results leaktest.Results
	if err := json.Unmarshal([]byte(r.Stdout), &results); err != nil {
		w.Fatalf("leaktest ended with status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if left := w.exec("gateway", "ip", "link", "show", "tunic-probe0"); left.Code == 0 {
		w.Errorf("its cable is still there: %s", left.Stdout)
	}
	return results, r.Code
}

// leakTest is green as things are, and red for a device that goes direct: it
// would see a leak.
func leakTest(w *world) {
	r, code := w.leaks()
	if code != 0 || len(r.Guest) != 2 || len(r.Classes) < 24 {
		w.Errorf("status %d: %+v", code, r)
	}
	r, code = w.leaks("--policy", "direct")
	if code != 1 {
		w.Errorf("a direct device: status %d", code)
	}
	for _, c := range r.Classes {
		// Conntrack stops some of them, and others are no policy's affair.
		seen := !slices.Contains([]string{"tcp-midstream", "icmp-error", "sctp", "fragment", "spoofed", "source", leaktest.RouterID}, c.ID)
		if seen && !c.Leaks() {
			w.Errorf("a direct device's %s was not seen", c.Name)
		}
	}
}

// leakTestAlone: where there is no bridge, the daemon takes the cable in.
func leakTestAlone(w *world) {
	w.must("gateway", "ip", "link", "add", "lan9", "type", "veth", "peer", "name", "lan9-far")
	w.must("gateway", "ip", "link", "set", "lan9-far", "up")
	defer w.must("gateway", "ip", "link", "del", "lan9")
	w.must("gateway", "ip", "addr", "add", "192.168.99.1/24", "dev", "lan9")
	w.must("gateway", "ip", "addr", "add", "fd99::1/64", "dev", "lan9", "nodad")
	w.must("gateway", "ip", "link", "set", "lan9", "up")
	before, err := os.ReadFile(w.paths().Main())
	if err != nil {
		w.Fatal(err)
	}
	w.write(w.paths().Main(), strings.Replace(string(before), `"br-lan"`, `"br-lan", "lan9"`, 1))
	defer func() {
		w.write(w.paths().Main(), string(before))
		w.must("gateway", "tunic", "reload")
		w.ready()
	}()
	w.must("gateway", "tunic", "reload")
	r, code := w.leaks("--interface", "lan9")
	if code != 0 || len(r.Guest) != 2 {
		w.Errorf("status %d: %+v", code, r)
	}
	if slices.ContainsFunc(r.Classes, func(c leaktest.Result) bool { return c.ID == leaktest.RouterID }) {
		w.Error("it says who is a router on a wire that it is not on")
	}
	if rules := w.saveRules().canonical(); strings.Contains(rules, "tunic-probe0") {
		w.Error("the rules still speak of its cable")
	}
}

// nowhere is a bridge that does not exist: Tor never connects.
const nowhere = "\n[tor]\nbridges = [\"203.0.113.250:9001 0123456789ABCDEF0123456789ABCDEF01234567\"]\n"

// portal: while Tor cannot connect the phone, and it alone, reaches web pages
// and the network's DNS server.
func portal(w *world) {
	before, err := os.ReadFile(w.paths().Main())
	if err != nil {
		w.Fatal(err)
	}
	w.stop(syscall.SIGTERM)
	w.write(w.paths().Main(), string(before)+nowhere)
	defer func() {
		w.write(w.paths().Main(), string(before))
		w.stop(syscall.SIGTERM)
		w.start()
		w.arrives()
	}()
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	w.eventually("the daemon answers", 20*time.Second, func() bool { return w.exec("gateway", "tunic", "devices").Code == 0 })
	w.must("gateway", "tunic", "portal", "phone", "--for", "2m")
	if s := w.status(); s.State != api.Closed || len(s.Leaks) == 0 {
		w.Errorf("state %s, exceptions %v", s.State, s.Leaks)
	}
	w.arrivesFrom(wan4, phone6)
	if got := w.must("phone", "dig", "+short", "+time=3", "+tries=1", "web.example", "A"); net.ParseIP(strings.TrimSpace(got)) == nil {
		w.Errorf("the network's own DNS server answers %q", got)
	}
	if err := w.provoke("udp", web4+":443"); !isRefused(err) {
		w.Errorf("QUIC: %v", err)
	}
	if from, ok := w.curl("laptop", 5, "http://"+web4+"/ip"); ok {
		w.Errorf("the laptop arrives from %s", from)
	}
	w.must("gateway", "tunic", "portal", "phone", "--close")
	if err := w.provoke("tcp", web4+":80"); !isRefused(err) {
		w.Errorf("after it was closed: %v", err)
	}
}
