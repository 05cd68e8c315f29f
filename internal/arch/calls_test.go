package arch

import (
	"go/ast"
	"strings"
)

// netCalls lists the uses of package net (and net/http) that open connections
// or resolve names.
func netCalls(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		name := pkg.Name + "." + s.Sel.Name
		switch {
		case pkg.Name == "net" && (strings.HasPrefix(s.Sel.Name, "Dial") || strings.HasPrefix(s.Sel.Name, "Lookup") ||
			s.Sel.Name == "DefaultResolver" || s.Sel.Name == "Resolver"),
			pkg.Name == "http" && (s.Sel.Name == "Get" || s.Sel.Name == "Post" || s.Sel.Name == "DefaultClient" || s.Sel.Name == "Client"):
			found = append(found, name)
		}
		return true
	})
	return found
}
