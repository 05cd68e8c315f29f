package main

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tunic/internal/native"
)

const example = `package x

func F(a int, err error) int {
	if err != nil {
		return 1
	}
	if a > 3 &&
		a < 9 {
		return 2
	}
	if a == 5 {
		a++
	}
	for range a {
		if a := a; a == 1 { continue }
	}
	if a == 6 { return 3 } else { a-- }
	return a
}
`

func TestGuardsOf(t *testing.T) {
	guards, err := guardsOf("x.go", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range guards {
		got = append(got, g.String())
	}
	want := "x.go:4: if err != nil|x.go:7: if a > 3 && a < 9|x.go:15: if a == 1"
	if strings.Join(got, "|") != want || !guards[0].plain || guards[1].plain {
		t.Errorf("%q", got)
	}
	source := switchable([]byte(example), guards, 1)
	if _, err := parser.ParseFile(token.NewFileSet(), "x.go", source, 0); err != nil ||
		!strings.Contains(string(source), "(3, bool(a == 1))") {
		t.Errorf("%v:\n%s", err, source)
	}
}

// A guard that a test holds is no survivor, one that none holds is, and one that
// none comes to is told apart.
func TestSurvivors(t *testing.T) {
	native.Require(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("takes a Go toolchain")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x.go": `package x

func Held(a int) int {
	if a == 1 {
		return 2
	}
	return a
}

func Loose(a int) int {
	if a == 1 {
		return 1
	}
	return a
}

func Unmet(a int) int {
	if a == 1 {
		return 2
	}
	return a
}
`, "x_test.go": `package x

import "testing"

func TestHeld(t *testing.T) {
	if Held(1) != 2 || Held(3) != 3 || Loose(1) != 1 {
		t.Error()
	}
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	r := run{total: time.Minute, each: time.Minute, files: regexp.MustCompile("")}
	if survived, err := r.try("."); err != nil || survived != 2 {
		t.Errorf("%d survived, %v; want Loose without its guard and with it turned round", survived, err)
	}
}
