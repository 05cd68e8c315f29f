//go:build lab

package resolver

import "testing"

// BenchmarkAlone asks for names that are known for eight seconds: what `make flames` takes a
// profile of.
func BenchmarkAlone(b *testing.B) {
	s := startResolver(b, listenOutside(b))
	list := questions(b, kinds["cached"])
	n := 0.0
	for range 4 {
		_, more := dnsperf(b, s.port, list)
		n += more
	}
	b.ReportMetric(n, "questions")
}
