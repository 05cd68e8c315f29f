package smtp

import (
	"fmt"
	"testing"
	"time"

	"tunic/internal/bench"
)

// BenchmarkCurves draws what a queue costs as mails wait in it for a friend whose box is
// off: one more mail, and a new start, after which all are known.
func BenchmarkCurves(b *testing.B) {
	accept, start := bench.Curve{Name: "one more mail"}, bench.Curve{Name: "a start"}
	for _, waiting := range bench.Sizes {
		n := newNetwork()
		h, friend := &house{t: b, net: n, dir: b.TempDir()}, &house{t: b, net: n}
		h.key, h.sign = identity("a")
		friend.key, friend.sign = identity("b")
		n.down[friend.key] = true
		h.start()
		h.knows(nil, map[string]*house{"bea": friend})
		for i := range waiting {
			h.write(friend.at("bob"), fmt.Sprint(i))
		}
		var more, starts []float64
		for i := range 7 {
			more = append(more, milliseconds(func() { h.write(friend.at("bob"), fmt.Sprint("more", i)) }))
		}
		for range 7 {
			h.stop()
			starts = append(starts, milliseconds(func() {
				h.start()
				for len(h.Queue()) < waiting {
					time.Sleep(50 * time.Microsecond)
				}
			}))
			h.knows(nil, map[string]*house{"bea": friend})
		}
		h.stop()
		accept.Points = append(accept.Points, bench.Point{Count: float64(waiting), Value: bench.Median(more)})
		start.Points = append(start.Points, bench.Point{Count: float64(waiting), Value: bench.Median(starts)})
	}
	bench.Draw(b, "mail", "Mails that wait for a friend whose box is off", "ms", []bench.Curve{accept, start})
	b.ReportMetric(0, "ns/op")
}

// milliseconds is how long f takes.
func milliseconds(f func()) float64 {
	begin := time.Now()
	f()
	return float64(time.Since(begin).Microseconds()) / 1000
}
