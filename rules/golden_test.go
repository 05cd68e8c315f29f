package rules

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// TestGolden compares each family of each scenario with a file that
// iptables-restore can load.
func TestGolden(t *testing.T) {
	for name, in := range scenarios() {
		set, err := Compile(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range Families() {
			t.Run(name+"."+f.String(), func(t *testing.T) {
				got := set.Text(f, "filter") + set.Text(f, "mangle") + set.Text(f, "nat")
				compare(t, filepath.Join("testdata", name+"."+f.String()), got)
			})
		}
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update and read what it writes", err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "want " + w[i] + "\ngot  " + g[i]
		}
	}
	return "one is longer"
}
