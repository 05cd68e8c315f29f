package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/internal/bench"
)

// keptIn writes a file of results.
func keptIn(t *testing.T, rows ...bench.Row) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := bench.Keep(path, rows); err != nil {
		t.Fatal(err)
	}
	return path
}

// A loss of more than a fifth fails, and so does a row that was not measured; less than a
// fifth, a gain, and a row that is new do not.
func TestCheck(t *testing.T) {
	kept := keptIn(t, bench.Row{Name: "a", Ratio: 1}, bench.Row{Name: "b", Ratio: 2})
	for _, c := range []struct {
		now  []bench.Row
		want string // the error; "": none
		said string
	}{
		{[]bench.Row{{Name: "a", Ratio: 0.81}, {Name: "b", Ratio: 3}, {Name: "new", Ratio: 0.1}}, "", "2 ratios"},
		{[]bench.Row{{Name: "a", Ratio: 0.79}, {Name: "b", Ratio: 3}}, "1 ratios are more than a fifth worse", "worse: a: 0.79 of"},
		{[]bench.Row{{Name: "a", Ratio: 1}, {Name: "b", Ratio: 1.5}}, "1 ratios", "worse: b: 1.50"},
		{[]bench.Row{{Name: "a", Ratio: 1}}, "1 rows were not measured", "not measured: b"},
	} {
		var out strings.Builder
		err := execute(&out, []string{"check", keptIn(t, c.now...), kept})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.now, err)
		}
		if !strings.Contains(out.String(), c.said) {
			t.Errorf("%+v: it said %q", c.now, out.String())
		}
	}
	for _, path := range []string{"missing.json", kept} {
		if err := execute(&strings.Builder{}, []string{"check", path, filepath.Join(t.TempDir(), "none")}); err == nil {
			t.Errorf("nothing was compared in %s, and that was good", path)
		}
	}
}

// The page keeps what people have written around the table.
func TestPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("before\n"+bench.Begin+"old\n"+bench.End+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	now := keptIn(t, bench.Row{Name: "questions", Unit: "1/s", Tunic: 12345, Peer: 20, PeerName: "other", Ratio: 2, Goal: 1, Holds: true})
	if err := execute(&strings.Builder{}, []string{"page", now, path}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{"before\n", "| questions, 1/s | 12,300 | other 20 | 2.00 | 1.00 | met |", bench.End + "after\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "old") {
		t.Error("the old table is there")
	}
	if err := os.WriteFile(path, []byte("no marks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := execute(&strings.Builder{}, []string{"page", now, path}); err == nil {
		t.Error("a page without marks was written")
	}
}
