package bench

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
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
		Report(t, r, map[string][]float64{"tunic": {r.Ratio}})
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
	if _, rounds, err := Read(path); err != nil || rounds["a"]["tunic"][0] != 3 || rounds["b"]["tunic"][0] != 2 {
		t.Errorf("%v, %v", rounds, err)
	}
}

// Against a bound: what is as good as it holds.
func TestAgainst(t *testing.T) {
	if r := Against("verb", "ms", Less, 100, []float64{50, 100, 400}); r.Ratio != 1 || !r.Holds {
		t.Errorf("%+v", r)
	}
	if r := Against("verb", "ms", Less, 100, []float64{200}); r.Ratio != 0.5 || r.Holds {
		t.Errorf("%+v", r)
	}
	if r := Against("speed", "1/s", More, 100, []float64{50}); r.Ratio != 0.5 || r.Holds {
		t.Errorf("%+v", r)
	}
}

// What is flat is level in the picture, and what is linear goes up by one for one.
func TestPlot(t *testing.T) {
	var out strings.Builder
	err := Plot(&out, "cost", "ms", []Curve{
		{"flat", []Point{{1, 10}, {1000, 10}}}, {"linear", []Point{{1000, 1000}, {1, 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`points="70.0,186.7 620.0,186.7"`, `points="70.0,260.0 620.0,40.0"`, ">1,000 ms<", ">linear<"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := xml.Unmarshal([]byte(out.String()), new(struct{})); err != nil {
		t.Error(err)
	}
}

// Over time what is flat is level too, in the middle of the time is the middle of the picture, and
// a 0 is nowhere.
func TestPlotTime(t *testing.T) {
	var out strings.Builder
	err := PlotTime(&out, "cost", "MB", 20, []Curve{{"flat", []Point{{0, 10}, {5, 0}, {10, 10}, {20, 10}}}, {"more", []Point{{20, 100}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`points="70.0,260.0 345.0,260.0 620.0,260.0"`, `points="620.0,40.0"`, ">20 min<", ">8 min<"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestCPU(t *testing.T) {
	if CPU(t, os.Getpid()) < 0 {
		t.Error("this process has run for less than no time")
	}
}
