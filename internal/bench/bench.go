// Package bench is what the measurements against other programs have in common: turns,
// medians, the processor's time, and the file of results.
//
// Use it in benchmarks that `make bench` runs. No test looks at its numbers: what a
// machine is able to do differs from hour to hour, so only what was measured in turns
// within one run can be compared.
package bench

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"tunic/internal/proc"
)

// File is the variable of the environment with the path of the file of results.
const File = "TUNIC_BENCH"

// Row is what one thing was measured to be, and what it is for the best of the peers.
type Row struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit"`
	Tunic    float64 `json:"tunic"` // median
	Peer     float64 `json:"peer"`  // median
	PeerName string  `json:"peer_name"`
	Ratio    float64 `json:"ratio"` // median of those of each round: above 1 tunic is ahead
	Goal     float64 `json:"goal"`  // of the ratio
	Holds    bool    `json:"holds"`
}

// Way is one program's way to do a thing.
type Way struct {
	Name string
	Once func() float64 // measures once
}

// Turns lets each way have its turn, rounds times and once before that which does not
// count, and returns what each measured, in the order of the rounds.
func Turns(rounds int, ways []Way) map[string][]float64 {
	seen := make(map[string][]float64)
	for round := range rounds + 1 {
		for _, w := range ways {
			v := w.Once()
			if round > 0 {
				seen[w.Name] = append(seen[w.Name], v)
			}
		}
	}
	return seen
}

// Median is the middle of v, which has something in it.
func Median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// Ratio is the median of a/b of each round.
func Ratio(a, b []float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return Median(all)
}

// Better says which of two medians is the better one.
type Better bool

// More is better, as of requests a second, or less is, as of time.
const (
	More Better = true
	Less Better = false
)

// Compare makes the row of what was measured: against the peer that does best, by the
// median.
func Compare(name, unit string, better Better, goal float64, seen map[string][]float64, peers ...string) Row {
	own := seen["tunic"]
	best := slices.MaxFunc(peers, func(a, b string) int {
		if better == Less {
			a, b = b, a
		}
		return cmp.Compare(Median(seen[a]), Median(seen[b]))
	})
	r := Row{Name: name, Unit: unit, Tunic: Median(own), Peer: Median(seen[best]), PeerName: best, Goal: goal}
	r.Ratio = Ratio(own, seen[best])
	if better == Less {
		r.Ratio = Ratio(seen[best], own)
	}
	r.Holds = r.Ratio >= goal
	return r
}

// Against makes the row of what is measured against a bound in the same unit, which is
// the goal itself, and not against a program.
func Against(name, unit string, better Better, bound float64, own []float64) Row {
	r := Row{Name: name, Unit: unit, Tunic: Median(own), Peer: bound, PeerName: "the goal", Goal: 1}
	r.Ratio = r.Tunic / bound
	if better == Less {
		r.Ratio = bound / max(r.Tunic, bound/1000) // a measured 0 is as good as a thousandth
	}
	r.Holds = r.Ratio >= r.Goal
	return r
}

// Report logs what was measured, and puts the row into the file of results, if there is to
// be one, instead of the one of that name that is there; what each round gave goes into
// another beside it (RoundsOf).
func Report(t testing.TB, r Row, seen map[string][]float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		v := slices.Sorted(slices.Values(seen[name]))
		t.Logf("%s, %s: %s: %.4g / %.4g / %.4g", r.Name, r.Unit, name, v[0], Median(v), v[len(v)-1])
	}
	t.Logf("%s: ratio to %s %.2f, goal %.2f", r.Name, r.PeerName, r.Ratio, r.Goal)
	path := os.Getenv(File)
	if path == "" {
		return
	}
	if err := put(path, r, seen); err != nil {
		t.Errorf("writing the results: %v", err)
	}
}

// CPU is the processor's time that a process has taken, its own and the kernel's for it,
// in steps of 10 ms.
func CPU(t testing.TB, pid int) time.Duration {
	t.Helper()
	s, err := proc.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return s.Own
}
