package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// size is how much there is in a package.
type size struct {
	lines, functions int    // functions: with methods
	most             string // the two types with most methods, and how many
}

func sizeOf(p *parsed) size {
	var s size
	methods := make(map[string]int)
	for _, f := range p.files {
		s.lines += p.fset.File(f.FileStart).LineCount()
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			s.functions++
			if d.Recv != nil {
				methods[receiver(d.Recv.List[0].Type)]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(methods), func(a, b string) int {
		return cmp.Or(methods[b]-methods[a], strings.Compare(a, b))
	})
	var most []string
	for _, n := range names[:min(2, len(names))] {
		most = append(most, fmt.Sprint(n, " ", methods[n]))
	}
	s.most = strings.Join(most, ", ")
	return s
}

// receiver is the name of the type that a method belongs to.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr: // of a generic type
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// fileToFile counts the pairs of files in a package of which the first uses a name
// of the second: a function, method, type, constant, variable or field.
func fileToFile(p *parsed) int {
	type pair struct{ from, to string }
	pairs := make(map[pair]bool)
	for id, o := range p.info.Uses {
		if !lasting(o) {
			continue
		}
		from, to := p.fset.Position(id.Pos()).Filename, p.fset.Position(o.Pos()).Filename
		if from != to && slices.ContainsFunc(p.files, func(f *ast.File) bool { return p.fset.Position(f.FileStart).Filename == to }) {
			pairs[pair{from, to}] = true
		}
	}
	return len(pairs)
}

// lasting says whether a name means something outside a function.
func lasting(o types.Object) bool {
	if o.Pkg() == nil {
		return false
	}
	if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil {
		return true
	}
	if v, ok := o.(*types.Var); ok && v.IsField() {
		return true
	}
	return o.Parent() == o.Pkg().Scope()
}

// featureOf is the name of the feature that a package is, or is a part of; "": of none.
func featureOf(path string) string {
	_, rest, ok := strings.Cut(path, "gateway/feature/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// featureUses are the names of a feature that stand in another, each once.
func featureUses(packages []*parsed) []string {
	found := make(map[string]bool)
	for _, p := range packages {
		own := featureOf(p.path)
		for _, o := range p.info.Uses {
			if own == "" || o.Pkg() == nil {
				continue
			}
			if other := featureOf(o.Pkg().Path()); other != "" && other != own {
				found[own+" uses "+other+"."+o.Name()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
