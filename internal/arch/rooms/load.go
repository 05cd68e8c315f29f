package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// parsed is a package of the tree without its tests, as it is built here.
type parsed struct {
	path  string // below the module
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Module                  *struct {
		Path string
		Main bool
	}
}

// load reads the packages of the module in dir, in the order of their paths, with
// what each identifier means.
func load(dir string) ([]*parsed, error) {
	all, err := list(dir)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var packages []*parsed
	for _, l := range all {
		if l.Module == nil || !l.Module.Main {
			continue
		}
		p, err := parse(l, fset, from)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b *parsed) int { return strings.Compare(a.path, b.path) })
	return packages, nil
}

// list asks the go command for the packages that the gateway is made of, and what
// the compiler knows of each.
func list(dir string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Module", "./gateway/...", "./cmd/tunic")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages of %s: %w", dir, err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var l listed
		if err := d.Decode(&l); err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

func parse(l listed, fset *token.FileSet, from types.Importer) (*parsed, error) {
	p := &parsed{path: strings.TrimPrefix(l.ImportPath, l.Module.Path+"/"), fset: fset,
		info: &types.Info{Uses: make(map[*ast.Ident]types.Object), Types: make(map[ast.Expr]types.TypeAndValue)}}
	for _, name := range l.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, f)
	}
	_, err := (&types.Config{Importer: from}).Check(l.ImportPath, fset, p.files, p.info)
	return p, err
}

// under says whether a package is another or below it.
func under(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}
