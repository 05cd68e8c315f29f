//go:build lab

package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// atLength, set, has testMany use the numbers that people ask for, and compare
// with an onion that has no front (make bench-onions).
var atLength = os.Getenv("TUNIC_ONIONS") != ""

// testMany measures what onions take, and whether one visitor can take all.
func testMany(w *world) {
	rounds, onions, streams := 2, 6, 1000
	if atLength {
		rounds, onions, streams = 10, 50, 10_000
	}
	w.run("published to fetched", func(w *world) { publishTimes(w, rounds) })
	w.run("all at once", func(w *world) { manyOnions(w, onions) })
	w.run("flood", func(w *world) { flood(w, streams) })
	if atLength {
		w.run("front against none", frontAgainstNone)
	}
}

func publishTimes(w *world, rounds int) {
	var took []time.Duration
	for i := range rounds {
		name := fmt.Sprintf("round%d", i)
		begin := time.Now()
		address := w.must("gateway", "tunic", "publish", name, "80="+lab.NASOnionTarget)
		w.visit("http://"+address+"/", "This is the nas.", time.Minute)
		took = append(took, time.Since(begin))
		w.must("gateway", "tunic", "unpublish", name)
	}
	slices.Sort(took)
	w.timed(fmt.Sprintf("publish to the friend's first page, median of %d", rounds), took[len(took)/2])
	w.timed("the longest of them", took[len(took)-1])
}

// manyOnions are published by one reload, read by the friend, and read again
// after tor was killed.
func manyOnions(w *world, n int) {
	var files []string
	for i := range n {
		path := filepath.Join(w.paths().OnionDir(), fmt.Sprintf("many%d.toml", i))
		w.write(path, "[ports]\n80 = \""+lab.NASOnionTarget+"\"\n")
		files = append(files, path)
	}
	defer func() {
		for _, path := range files {
			w.remove(path)
		}
		w.must("gateway", "tunic", "reload")
	}()
	begin := time.Now()
	w.must("gateway", "tunic", "reload")
	w.published(n, begin)
	var addresses []string
	for i := range n {
		addresses = append(addresses, w.must("gateway", "tunic", "address", fmt.Sprintf("many%d", i)))
	}
	w.timed(fmt.Sprintf("%d onions published and all read by the friend", n), w.readAll(addresses, begin))
	begin = time.Now()
	if w.signal(syscall.SIGKILL, "tor", "--defaults-torrc") != 1 {
		w.Fatal("there is no tor to kill")
	}
	w.published(n, begin)
	w.timed(fmt.Sprintf("kill -9 of tor to all %d read again", n), w.readAll(addresses, begin))
}

// published waits until the descriptors of so many onions are out.
func (w *world) published(n int, begin time.Time) {
	w.Helper()
	w.eventually("all are published", 2*time.Minute, func() bool {
		w.pause(time.Second)
		out := 0
		for _, o := range w.status().Onions {
			if o.Published && strings.HasPrefix(o.Name, "many") {
				out++
			}
		}
		return out == n
	})
	w.timed(fmt.Sprintf("all %d published", n), time.Since(begin))
}

// readAll has the friend's laptop read every onion until it works, some at a
// time, and returns how long it is since begin then.
func (w *world) readAll(addresses []string, begin time.Time) time.Duration {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 6*time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	var last sync.Map // what curl said of those that failed
	for _, address := range addresses {
		group.Go(func() error {
			for {
				r, err := w.lab.Exec(ctx, "friend-laptop", "curl", "-sS", "-m", "20", "http://"+address+"/")
				switch {
				case err != nil:
					return fmt.Errorf("%s: %w", address, err)
				case r.Code == 0 && strings.Contains(r.Stdout, "This is the nas."):
					return nil
				}
				last.Store(address, r.Stderr)
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		last.Range(func(address, said any) bool { w.Logf("%v: %v", address, said); return true })
		w.Fatal(err)
	}
	return time.Since(begin)
}

// flood: somebody opens streams on one circuit, as many as they can, and keep
// what they get; the friend goes on reading.
func flood(w *world, streams int) {
	address := w.publish("flooded", fmt.Sprintf("80=%s", lab.NASOnionTarget), fmt.Sprintf("2222=%s:%d", nas4, lab.NASEchoPort))
	defer w.must("gateway", "tunic", "unpublish", "flooded")
	greedy := w.visitors(map[string]map[string]string{"greedy": nil})["greedy"]
	greedy.untilReads(address, time.Minute)
	w.visit("http://"+address+"/", "This is the nas.", time.Minute)
	done := make(chan int)
	go func() { done <- greedy.open(address, streams) }()
	reads, slowest, most := 0, time.Duration(0), 0
	for {
		select {
		case got := <-done:
			w.Logf("of %d streams %d were served; meanwhile the friend read %d pages", streams, got, reads)
			w.timed("the slowest page meanwhile", slowest)
			if got == 0 || got >= streams/2 || reads == 0 || most > 2*frontLimit {
				w.Errorf("limits: %d streams served, %d at one time, %d pages read", got, most, reads)
			}
			return
		default:
		}
		slowest = max(slowest, w.visit("http://"+address+"/", "This is the nas.", 30*time.Second))
		reads++
		for _, o := range w.status().Onions {
			if o.Name == "flooded" {
				most = max(most, o.Active)
			}
		}
	}
}

// open opens streams through the visitor's tor, many at a time, without closing
// one, and returns how many answered.
func (v *visitor) open(address string, streams int) int {
	n, err := v.lab.Plan().Node(lab.InternetNode)
	if err != nil {
		v.Error(err)
		return 0
	}
	host := traffic.Host{Namespace: n.Namespace}
	var served atomic.Int64
	var mu sync.Mutex
	var kept []net.Conn
	defer func() {
		for _, c := range kept {
			c.Close()
		}
	}()
	var group errgroup.Group
	group.SetLimit(200)
	for range streams {
		group.Go(func() error {
			c, err := host.Dial(v.ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", v.port))
			if err != nil {
				return nil // the visitor's tor has a limit too
			}
			mu.Lock()
			kept = append(kept, c)
			mu.Unlock()
			if socksTo(c, address, lab.NASEchoPort) && echoes(c) == nil {
				served.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait() // nobody fails
	return int(served.Load())
}

// socksTo asks a SOCKS5 proxy for a name (RFC 1928).
func socksTo(c net.Conn, host string, port uint16) bool {
	if c.SetDeadline(time.Now().Add(30*time.Second)) != nil {
		return false
	}
	ask := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	if _, err := c.Write(append(ask, byte(port>>8), byte(port))); err != nil {
		return false
	}
	answer := make([]byte, 12)
	_, err := io.ReadFull(c, answer)
	return err == nil && answer[3] == 0
}

// frontAgainstNone downloads through an onion of tunic's and through one of the
// same tor whose port is the target itself, in turns, and each time on a circuit
// of its own: one circuit's relays must not decide. What is compared is the time
// from the first byte on.
func frontAgainstNone(w *world) {
	const size, rounds = 8 << 20, 25
	control := w.control()
	defer control.Close()
	answer := w.command(control, "ADD_ONION NEW:ED25519-V3 Flags=DiscardPK Port=80,"+lab.NASOnionTarget)
	_, rest, _ := strings.Cut(answer, "ServiceID=")
	straight, _, _ := strings.Cut(rest, "\r\n")
	ways := []string{w.publish("fronted", "80="+lab.NASOnionTarget), straight + ".onion"}
	defer w.must("gateway", "tunic", "unpublish", "fronted")
	v := w.visitors(map[string]map[string]string{"loader": nil})["loader"]
	for _, address := range ways {
		v.untilReads(address, time.Minute)
	}
	took := make([][]float64, len(ways))
	for round := range rounds {
		for i := range ways {
			i = (i + round) % len(ways)
			took[i] = append(took[i], v.loads(ways[i], size, fmt.Sprintf("%d-%d:x", round, i)))
		}
	}
	median := func(v []float64) float64 { return slices.Sorted(slices.Values(v))[rounds/2] }
	f, s := median(took[0]), median(took[1])
	w.Logf("ratio: a download through the front %.3f s, straight %.3f s (medians of %d), front/straight in speed %.3f", f, s, rounds, s/f)
}

// loads downloads under a name of its own, for which tor takes another circuit,
// and returns the seconds from the first byte to the last.
func (v *visitor) loads(address string, size int, as string) float64 {
	v.Helper()
	r := v.exec(lab.InternetNode, v.args(120, "--proxy-user", as, "-o", "/dev/null", "-w", "%{time_starttransfer} %{time_total}",
		"http://"+address+"/blob?bytes="+strconv.Itoa(size))...)
	var first, last float64
	if n, err := fmt.Sscan(r.Stdout, &first, &last); r.Code != 0 || n != 2 || err != nil {
		v.Fatalf("downloading: %q, %s", r.Stdout, r.Stderr)
	}
	return last - first
}

// control opens a connection to the gateway's tor (control-spec, "AUTHENTICATE").
func (w *world) control() net.Conn {
	w.Helper()
	cookie, err := os.ReadFile(filepath.Join(w.paths().TorRun(), "control.cookie"))
	if err != nil {
		w.Fatal(err)
	}
	c, err := net.Dial("unix", filepath.Join(w.paths().TorRun(), "control.sock"))
	if err != nil {
		w.Fatal(err)
	}
	w.command(c, "AUTHENTICATE "+hex.EncodeToString(cookie))
	return c
}

// command sends one line, and returns the answer, which must be good and short.
func (w *world) command(c net.Conn, line string) string {
	w.Helper()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.Fatal(err)
	}
	answer := make([]byte, 4096)
	n := 0
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		w.Fatal(err)
	}
	for !strings.Contains("\r\n"+string(answer[:n]), "\r\n250 OK\r\n") {
		more, err := c.Read(answer[n:])
		if err != nil || answer[0] != '2' && n+more > 0 {
			w.Fatalf("tor answered %q, %v", answer[:n+more], err)
		}
		n += more
	}
	return string(answer[:n])
}
