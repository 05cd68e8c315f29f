//go:build lab

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab/load"
	"tunic/internal/lab/traffic"
)

const (
	reloads = 200
	slowest = time.Second // how long a new connection may take
)

// testLoad reloads again and again, with other rules each time, while the phone
// downloads, opens connections, and sends what must not leave (L21).
func testLoad(w *world) {
	wan, lan := w.wan.MustMark(w), w.lan.MustMark(w)
	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	loads := []*load.Download{w.download(web4 + ":80"), w.download("[" + web6 + "]:80")}
	for _, d := range loads {
		defer d.Conn.Close()
		group.Go(func() { d.Run(ctx) })
	}
	group.Go(func() { w.knock(ctx) })
	group.Go(func() { w.spray(ctx) })

	w.reloadOften()
	stop()
	group.Wait()
	for _, d := range loads {
		w.Logf("%d bytes downloaded from %s", d.Bytes, d.Conn.RemoteAddr())
		if d.Err != nil || d.Bytes < 10*load.Step {
			w.Errorf("a download ended after %d bytes: %v", d.Bytes, d.Err)
		}
	}
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

// download begins one from the phone.
func (w *world) download(address string) *load.Download {
	w.Helper()
	d, err := load.Begin(w.ctx, w.phone, address)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// knock opens connections, and tells how long the slowest took.
func (w *world) knock(ctx context.Context) {
	w.Helper()
	got := load.Again(ctx, 20*time.Millisecond, func(i int) error {
		return load.Connect(w.ctx, w.phone, []string{web4 + ":80", "[" + web6 + "]:80"}[i%2], slowest)
	})
	w.waited("new connection", got)
}

// waited tells how long somebody waited, and fails where they waited in vain.
func (w *world) waited(what string, got load.Waits) {
	w.Helper()
	w.timed(fmt.Sprintf("slowest %s of %d", what, got.Times), got.Slowest)
	for _, err := range got.Failed {
		w.Errorf("a %s: %v", what, err)
	}
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
