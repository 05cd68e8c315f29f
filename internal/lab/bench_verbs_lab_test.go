//go:build lab

package lab

import (
	"fmt"
	"testing"
	"time"

	"tunic/internal/bench"
)

// BenchmarkVerbs measures verbs in a big house, with friends whose boxes are away, and how
// often the box is woken when nothing happens there. It includes some 10 ms by which the
// lab starts a program.
func BenchmarkVerbs(b *testing.B) {
	ctx, l := measured(b, 7*time.Minute, Options{ID: "verbs", Daemons: []string{"gateway"}}, buildTunic)
	r := restful{b, ctx, l, houseSize{1000, 50, 50}}
	r.furnish()
	fmt.Printf("%v: reload %v\n", r.size, r.verb("reload").Round(time.Millisecond))
	time.Sleep(30 * time.Second) // tor publishes fifty onions
	took := map[string][]float64{}
	for round := range 6 {
		for name, ms := range r.timed(1, "status", "check", fmt.Sprintf("publish restless%d 80=%s", round, NASOnionTarget)) {
			took[name] = append(took[name], ms...)
		}
		address := r.verb("publish", fmt.Sprint("known", round), "80="+NASOnionTarget, "--json") // waits for no visitor
		took["publish, its address"] = append(took["publish, its address"], address.Seconds()*1000)
	}
	const goal = 100 // ms
	for _, name := range []string{"status", "check", "publish", "publish, its address"} {
		counted := map[string][]float64{"tunic": took[name][1:]} // the first is not counted
		bench.Report(b, bench.Against("verb: "+name+", big house", "ms", bench.Less, goal, counted["tunic"]), counted)
	}
	_, wakes := r.row("at rest", 30*time.Second, 30*time.Second)
	bench.Report(b, bench.Against("rest: wake-ups, big house", "1/s", bench.Less, 5, []float64{wakes}), nil)
	b.ReportMetric(0, "ns/op")
}
