//go:build lab

package onion

import (
	"testing"

	"tunic/internal/sockets"
)

// BenchmarkAlone opens streams through a front for eight seconds: what `make flames` takes a
// profile of.
func BenchmarkAlone(b *testing.B) {
	front := startFront(b, sockets.Serve(b, sockets.Echo).String())
	n := 0.0
	for range 4 {
		more, _ := streams(b, front.Said)
		n += more
	}
	b.ReportMetric(n, "streams")
}
