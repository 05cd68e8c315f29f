package bench

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many has workers, which are numbered from 0, do something over and over for a time, and
// returns how often it was done and how long that took. The first error ends the benchmark.
func Many(b *testing.B, workers int, long time.Duration, once func(worker int) error) (n float64, took time.Duration) {
	b.Helper()
	var count atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for worker := range workers {
		all.Go(func() {
			for time.Since(begin) < long && !b.Failed() {
				if err := once(worker); err != nil {
					b.Error(err)
				}
				count.Add(1)
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return float64(count.Load()), time.Since(begin)
}
