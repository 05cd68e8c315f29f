package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestCompare(t *testing.T) {
	seen := map[string][]float64{
		"tunic": {10, 30, 20}, "slow": {5, 5, 5}, "fast": {20, 40, 10},
	}
	more := Compare("questions", "1/s", More, 1, seen, "slow", "fast")
	if more.PeerName != "fast" || more.Tunic != 20 || more.Peer != 20 || more.Ratio != 0.75 || more.Holds {
		t.Errorf("more is better: %+v", more)
	}
	less := Compare("memory", "B", Less, 0.4, seen, "slow", "fast")
	if less.PeerName != "slow" || less.Ratio != 0.25 || less.Holds {
		t.Errorf("less is better: %+v", less)
	}
}

func TestTurns(t *testing.T) {
	var order string
	way := func(name string) Way {
		return Way{Name: name, Once: func() float64 { order += name; return float64(len(order)) }}
	}
	seen := Turns(2, []Way{way("a"), way("b")})
	if order != "ababab" || len(seen["a"]) != 2 || seen["a"][0] != 3 {
		t.Errorf("%s, %v", order, seen)
	}
}

// A part that is run again replaces its own rows and leaves those of others.
func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dist", "bench.json")
	t.Setenv(File, path)
	for _, r := range []Row{{Name: "a", Ratio: 1}, {Name: "b", Ratio: 2}, {Name: "a", Ratio: 3, Holds: true}} {
		Report(t, r, nil)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []Row
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0] != (Row{Name: "a", Ratio: 3, Holds: true}) || rows[1].Name != "b" {
		t.Errorf("%+v", rows)
	}
}

func TestCPU(t *testing.T) {
	if CPU(t, os.Getpid()) < 0 {
		t.Error("this process has run for less than no time")
	}
}
