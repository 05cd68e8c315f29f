package health

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every code that is declared has its line in the catalog.
func TestCatalogIsComplete(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "health.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		declared++
		text, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if got := New(Code(text), "", "x"); got.Action == "" || catalog[Code(text)].severity == "" || catalog[Code(text)].means == "" {
			t.Errorf("code %q has no severity, meaning or action", text)
		}
		return true
	})
	if declared != len(catalog) {
		t.Errorf("%d codes declared, %d in the catalog", declared, len(catalog))
	}
}

func TestUnknownCodeIsAnError(t *testing.T) {
	if got := New("nonsense", "", "x").Severity; got != Error {
		t.Errorf("severity %q", got)
	}
}

// A finding keeps its date while it is there, whatever it says of itself.
func TestDate(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := []Finding{New(TargetUnreachable, "photos", "down"), New(TorDown, "", "down")}
	Date(before, nil, begin)
	now := []Finding{New(TargetUnreachable, "photos", "still down"), New(TargetUnreachable, "films", "down"), New(TorDown, "", "down")}
	Date(now, before, begin.Add(time.Hour))
	for i, want := range []time.Duration{0, time.Hour, 0} {
		if got := now[i].Since.Sub(begin); got != want {
			t.Errorf("%s of %q is there since %v, not %v", now[i].Code, now[i].Subject, got, want)
		}
	}
}

var update = flag.Bool("update", false, "write the page")

// The page about findings is what `tunic explain` says.
func TestPage(t *testing.T) {
	const page = "../../docs/findings.md"
	var b strings.Builder
	b.WriteString("# Findings\n\nWhat `tunic status` may say at its end, as `tunic explain CODE` explains it. " +
		"An error: something asked for\n" +
		"does not work. A warning: it works less well than asked for. Info: worth knowing.\n\n" +
		"Written by `go test ./gateway/health -update`.\n\n| code | | what it means | what to do |\n|---|---|---|---|\n")
	for _, code := range Codes() {
		e, _ := Explain(code)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n",
			code, e.Severity, strings.ReplaceAll(e.Means, "|", "\\|"), strings.ReplaceAll(e.Action, "|", "\\|"))
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != b.String() {
		t.Errorf("%s is not what explain says (%v): go test ./gateway/health -update", page, err)
	}
}
