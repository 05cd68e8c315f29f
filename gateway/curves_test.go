package gateway

import (
	"testing"

	"tunic/internal/bench"
)

// BenchmarkCurves draws what a pass by which nothing changes costs in processor's time, as
// devices, onions or friends grow and nothing else is in the house.
func BenchmarkCurves(b *testing.B) {
	var curves []bench.Curve
	for _, kind := range []string{"devices", "onions", "friends"} {
		c := bench.Curve{Name: kind}
		for _, n := range bench.Sizes {
			var h *house
			switch kind {
			case "devices":
				h = bigHouse(b, n, 0, 0)
			case "onions":
				h = bigHouse(b, 0, n, 2) // friends, who may visit them
			default:
				h = bigHouse(b, 0, 0, n)
			}
			c.Points = append(c.Points, bench.Point{Count: float64(n), Value: passCost(b, h)})
		}
		curves = append(curves, c)
	}
	bench.Draw(b, "pass", "A pass by which nothing changes, processor", "ms", curves)
	b.ReportMetric(0, "ns/op")
}

// passCost is the median of some passes, in milliseconds of processor.
func passCost(b *testing.B, h *house) float64 {
	b.Helper()
	var took []float64
	for i := range 14 {
		begin := processorTime(b)
		for range 3 {
			if !h.Gateway.pass(b.Context()) {
				b.Fatal(h.snapshot().why)
			}
		}
		if i >= 3 { // what friends are granted is wanted by the second
			took = append(took, float64((processorTime(b)-begin).Microseconds())/3000)
		}
	}
	return bench.Median(took)
}
