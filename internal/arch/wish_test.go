package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
)

// TestWishesAreOfNamedFunctions: whatever a wish knows is in what it was made of. A closure or a
// method knows more, and what is wanted would stay what it was when that changes.
func TestWishesAreOfNamedFunctions(t *testing.T) {
	wishes := 0
	err := filepath.WalkDir(filepath.Join("..", "..", "gateway", "feature"), func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		var files []*ast.File
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		found, bad := unnamed(files)
		wishes += found
		for _, what := range bad {
			t.Errorf("%s: a wish is made of %s, not of a function of the package", dir, what)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if wishes < 15 {
		t.Errorf("only %d wishes were found: is the test looking at the tree?", wishes)
	}
}

func TestUnnamed(t *testing.T) {
	const text = `package x
func named() {}
type T struct{}
func (T) method() {}
func f(t T, given func()) {
	feature.Always(named)
	feature.Want(named, 1)
	feature.Always(t.method)
	feature.Want(func() {}, 1)
	feature.Want(given, 1)
	local := func() {}
	feature.Always(local)
	feature.Want(wrap(named), 1)
	{ named := func() {}
	feature.Always(named) }
}`
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	if found, bad := unnamed([]*ast.File{f}); found != 8 || len(bad) != 6 {
		t.Errorf("%d found, bad: %v", found, bad)
	}
}

// unnamed counts the wishes that a package's files make, and describes those that are not made of a
// function with a name at the package's level.
func unnamed(files []*ast.File) (found int, bad []string) {
	var named []string
	for _, f := range files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				named = append(named, d.Name.Name)
			}
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !makesWish(call) {
				return true
			}
			found++
			of, ok := call.Args[0].(*ast.Ident)
			switch {
			case !ok:
				bad = append(bad, "something without a name")
			case !slices.Contains(named, of.Name), of.Obj != nil && of.Obj.Kind != ast.Fun: // a variable that has its name
				bad = append(bad, of.Name)
			}
			return true
		})
	}
	return found, bad
}

func makesWish(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "feature" && (s.Sel.Name == "Want" || s.Sel.Name == "Always")
}
