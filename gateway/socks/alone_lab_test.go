//go:build lab

package socks

import (
	"testing"

	"tunic/internal/sockets"
)

// BenchmarkAlone opens connections through the proxy for eight seconds: what `make flames` takes a
// profile of.
func BenchmarkAlone(b *testing.B) {
	own := startProxy(b, sockets.ServeUnix(b, torAndTarget))
	n := 0.0
	for range 4 {
		more, _ := connections(b, own.Said, "203.0.113.1:80")
		n += more
	}
	b.ReportMetric(n, "connections")
}
