//go:build lab

package e2e

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab/traffic"
)

const (
	reloads      = 200
	slowest      = time.Second // how long a new connection may take
	downloadStep = 64 << 10    // bytes that the downloads read at a time
	downloadRest = 100 * time.Millisecond
)

// testLoad reloads again and again, with other rules each time, while the phone
// downloads, opens connections, and sends what must not leave (L21).
func testLoad(w *world) {
	wan, lan := w.wan.MustMark(w), w.lan.MustMark(w)
	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	loads := []*download{w.download(web4 + ":80"), w.download("[" + web6 + "]:80")}
	for _, d := range loads {
		defer d.conn.Close()
		group.Go(func() { d.run(ctx) })
	}
	var slow atomic.Int64
	group.Go(func() { w.knock(ctx, &slow) })
	group.Go(func() { w.spray(ctx) })

	w.reloadOften()
	stop()
	group.Wait()
	for _, d := range loads {
		w.Logf("%d bytes downloaded from %s", d.bytes, d.conn.RemoteAddr())
		if d.err != nil || d.bytes < 10*downloadStep {
			w.Errorf("a download ended after %d bytes: %v", d.bytes, d.err)
		}
	}
	w.timed("slowest new connection", time.Duration(slow.Load()))
	w.pause(settle)
	sent := len(w.lan.MustLines(w, lan, "(udp dst port 443 or icmp[0] == 8 or ip6[40] == 128) and "+fromPhone))
	leaked := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter("gateway"))
	w.Logf("%d packets sent, %d leaked", sent, len(leaked))
	if sent < reloads {
		w.Errorf("only %d packets were sent during %d reloads", sent, reloads)
	}
	if len(leaked) > 0 {
		w.Errorf("leaked: %s", leaked[0])
	}
	w.arrives()
}

// reloadOften blocks the laptop and lets it go again: each time its connections
// are cut, and nobody else's.
func (w *world) reloadOften() {
	w.Helper()
	path, begin := w.device("laptop"), time.Now()
	for i := range reloads {
		if i%2 == 0 {
			w.write(path, deviceText("02:00:00:0a:00:11", config.PolicyBlock))
		} else {
			w.remove(path)
		}
		w.must("gateway", "tunic", "reload")
	}
	w.timed("200 reloads", time.Since(begin))
}

// download is a page without end that is read slowly.
type download struct {
	conn  net.Conn
	bytes int
	err   error
}

func (w *world) download(address string) *download {
	w.Helper()
	conn, err := w.phone.Dial(w.ctx, "tcp", address)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /blob?bytes=1000000000 HTTP/1.0\r\n\r\n"); err != nil {
		conn.Close()
		w.Fatal(err)
	}
	return &download{conn: conn}
}

// run reads until ctx ends; anything else that ends it is d.err.
func (d *download) run(ctx context.Context) {
	for wait(ctx, downloadRest) {
		if d.err = d.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); d.err != nil {
			return
		}
		n, err := io.ReadFull(d.conn, make([]byte, downloadStep))
		d.bytes += n
		if d.err = err; err != nil {
			return
		}
	}
}

// knock opens connections one after the other, and keeps how long the slowest
// took.
func (w *world) knock(ctx context.Context, slow *atomic.Int64) {
	times := 0
	for wait(ctx, 20*time.Millisecond) {
		address := []string{web4 + ":80", "[" + web6 + "]:80"}[times%2]
		begin := time.Now()
		dial, cancel := context.WithTimeout(w.ctx, slowest)
		conn, err := w.phone.Dial(dial, "tcp", address)
		cancel()
		if err != nil {
			w.Errorf("connection %d to %s: %v after %v", times, address, err, time.Since(begin))
			continue
		}
		conn.Close()
		slow.Store(max(slow.Load(), int64(time.Since(begin))))
		times++
	}
	w.Logf("%d connections opened", times)
}

// spray sends what must not leave.
func (w *world) spray(ctx context.Context) {
	packets := slices.Concat(datagrams(phone4, web4, 443), datagrams(phone6, web6, 443),
		[]traffic.IP{ping(phone4, web4), ping(phone6, web6)})
	for wait(ctx, 30*time.Millisecond) {
		if err := device(packets...)(w); err != nil {
			w.Error(err)
		}
	}
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
