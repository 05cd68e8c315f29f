//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/miekg/dns"

	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// testOnions publishes, fetches from the friend's household, and unpublishes.
func testOnions(w *world) {
	w.run("a LAN host", publishNAS)
	w.run("a service on the box and a unix socket", publishBox)
	w.run("limits of one visitor", limitVisitor)
	w.run("unpublish cuts what runs", unpublish)
}

// publish makes an onion, and returns its address when its descriptor is out.
func (w *world) publish(name string, ports ...string) string {
	w.Helper()
	begin := time.Now()
	address := w.must("gateway", append([]string{"tunic", "publish", name}, ports...)...)
	w.timed("publish "+name, time.Since(begin))
	return address
}

// visit fetches from the friend's laptop until it works.
func (w *world) visit(url, want string, limit time.Duration) time.Duration {
	w.Helper()
	return w.fetched("friend-laptop", want, limit, url)
}

func publishNAS(w *world) {
	begin := time.Now()
	address := w.publish("photos", "80="+lab.NASOnionTarget, fmt.Sprintf("2222=%s:%d", nas4, lab.NASEchoPort))
	w.visit("http://"+address+"/", "This is the nas.", 30*time.Second)
	took := time.Since(begin)
	w.timed("publish to the friend's first page", took)
	if took > 10*time.Second {
		w.Errorf("publish to the friend's first page took %v", took)
	}
	w.fetched("laptop", "This is the nas.", 30*time.Second, "http://photos.box.home.arpa/")
	w.fetched("laptop", "This is the nas.", 30*time.Second, "--socks5-hostname", box4+":9050", "http://photos.box.home.arpa/")
}

// publishBox: the servers on the box see each circuit by its own address.
func publishBox(w *world) {
	tcp, err := w.gateway.Listen(w.ctx, "127.0.0.1:18080")
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.lab.Root("gateway"), "srv", "page.sock")
	local, err := net.Listen("unix", path)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		w.Fatal(err)
	}
	seen := make(chan string, 1)
	for _, l := range []net.Listener{tcp, local} {
		defer l.Close()
		go servePage(l, seen)
	}
	address := w.publish("boxed", "80=127.0.0.1:18080", "81=unix:"+path)
	defer w.must("gateway", "tunic", "unpublish", "boxed")
	w.visit("http://"+address+"/", "served", 30*time.Second)
	from, err := netip.ParseAddrPort(<-seen)
	if err != nil || !netip.MustParsePrefix("127.128.0.0/9").Contains(from.Addr()) {
		w.Errorf("the server on the box saw %v, %v", from, err)
	}
	w.visit("http://"+address+":81/", "served", 30*time.Second)
}

// servePage answers every connection with a page and tells who called.
func servePage(l net.Listener, seen chan<- string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if n, _ := conn.Read(make([]byte, 4096)); n > 0 { // not one of the daemon's looks whether the target is there
			select {
			case seen <- conn.RemoteAddr().String():
			default: // a later visit, of which nobody asks
			}
			_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved")
		}
		conn.Close()
	}
}

// frontLimit is how many streams of one circuit a front serves at one time.
const frontLimit = 128

// limitVisitor opens more streams on one circuit than a front serves: the ones
// beyond the limit are closed, the others go on.
func limitVisitor(w *world) {
	n, err := w.lab.Plan().Node("friend-laptop")
	if err != nil {
		w.Fatal(err)
	}
	laptop := traffic.Host{Namespace: n.Namespace}
	address := w.must("gateway", "tunic", "address", "photos")
	reply, err := w.question(laptop, "udp", "192.168.78.1", address, dns.TypeA, 10*time.Second)
	if err != nil || len(answers(reply)) != 1 {
		w.Fatalf("the friend's resolver: %v, %v", reply, err)
	}
	to := net.JoinHostPort(answers(reply)[0], fmt.Sprint(lab.NASEchoPort))
	w.limited(laptop, to)
}

// circuitTries is how often a visitor takes another circuit when one of the
// network's has come to a halt.
const circuitTries = 3

// limited repeats on another circuit what a circuit did not carry at all: the
// front either serves a stream or closes it.
func (w *world) limited(laptop traffic.Host, to string) {
	w.Helper()
	for try := range circuitTries {
		served, closed, hung := w.manyStreams(laptop, to)
		if hung == 0 {
			if served != frontLimit || closed == 0 {
				w.Errorf("%d streams of one visitor are served, %d closed, want %d and the rest", served, closed, frontLimit)
			}
			return
		}
		w.Logf("circuit %d: %d streams are served, %d closed, then one hears nothing:\n%s",
			try+1, served, closed, w.onionCircuits("friend"))
		w.must("friend", "tunic", "newnym")
	}
	w.Errorf("none of %d circuits carried %d streams", circuitTries, frontLimit)
}

// manyStreams opens more streams than a front serves, and counts what becomes
// of them. It stops at the first that hears nothing.
func (w *world) manyStreams(laptop traffic.Host, to string) (served, closed, hung int) {
	w.Helper()
	for range frontLimit + 5 {
		conn, err := laptop.Dial(w.ctx, "tcp", to)
		if err != nil {
			w.Fatal(err)
		}
		defer conn.Close()
		switch err := echoes(conn); {
		case err == nil:
			served++
		case errors.Is(err, os.ErrDeadlineExceeded):
			return served, closed, 1
		default:
			closed++
		}
	}
	return served, closed, 0
}

// echoes returns nil if what is said comes back.
func echoes(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if string(answer) != "hello" {
		return fmt.Errorf("the echo is %q", answer)
	}
	return nil
}

// inFlight bounds what relays may still hold of a download that was cut, in
// bytes; it is what runs through in a second or two.
const inFlight = 16 << 20

// unpublish ends a download that is under way (M06), and the name gets the same
// address when it is published again.
func unpublish(w *world) {
	address := w.must("gateway", "tunic", "address", "photos")
	w.visit("http://"+address+"/", "This is the nas.", onionLimit) // the front may still count the streams of the test before
	cmd, err := w.lab.Command(w.ctx, "friend-laptop", "curl", "-sS", "-m", "10", "http://"+address+"/blob?bytes=1000000000")
	if err != nil {
		w.Fatal(err)
	}
	page, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = io.ReadFull(page, make([]byte, 1<<16))
	}
	if err != nil {
		w.Fatalf("beginning the download: %v", err)
	}
	w.must("gateway", "tunic", "unpublish", "photos")
	begin := time.Now()
	w.eventually("the nas is not asked any more", 8*time.Second, func() bool {
		return w.must("nas", "ss", "-Htn", "state", "established", "sport", "=", fmt.Sprint(lab.NASPort)) == ""
	})
	w.timed("unpublish to the end of the connection to the nas", time.Since(begin))
	n, err := io.Copy(io.Discard, page)
	if werr := cmd.Wait(); werr == nil || err != nil || n > inFlight {
		w.Errorf("the visitor got %d bytes after unpublish, and then: %v, %v", n, err, werr)
	}
	w.timed("unpublish to the end of the visitor's connection, which itself gives up after 10 s", time.Since(begin))
	if again := w.publish("photos", "80="+lab.NASOnionTarget); again != address {
		w.Errorf("published again it is %s, not %s", again, address)
	}
	w.must("gateway", "tunic", "unpublish", "photos")
}
