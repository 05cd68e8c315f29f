package health

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
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
		if got := New(Code(text), "x"); got.Action == "" || catalog[Code(text)].severity == "" {
			t.Errorf("code %q has no severity or action", text)
		}
		return true
	})
	if declared != len(catalog) {
		t.Errorf("%d codes declared, %d in the catalog", declared, len(catalog))
	}
}

func TestUnknownCodeIsAnError(t *testing.T) {
	if got := New("nonsense", "x").Severity; got != Error {
		t.Errorf("severity %q", got)
	}
}
