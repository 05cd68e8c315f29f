package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// handedOver are the features that the wiring gives to another, by the interfaces
// that this one declares.
func handedOver(packages []*parsed) []string {
	var found []string
	for _, p := range packages {
		if p.path != "cmd/tunic" {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					found = append(found, p.fields(n)...)
				case *ast.CallExpr:
					found = append(found, p.arguments(n)...)
				}
				return true
			})
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// fields are the features among the fields of a literal that another feature declares.
func (p *parsed) fields(n *ast.CompositeLit) []string {
	var found []string
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && p.info.Uses[key] != nil {
				found = append(found, p.handed(n, p.info.Uses[key].Type(), kv.Value)...)
			}
		}
	}
	return found
}

// arguments are the features that a function of another feature is called with.
func (p *parsed) arguments(n *ast.CallExpr) []string {
	signature, ok := p.info.TypeOf(n.Fun).(*types.Signature)
	if !ok {
		return nil
	}
	var found []string
	for i, a := range n.Args {
		if i < signature.Params().Len() {
			found = append(found, p.handed(n.Fun, signature.Params().At(i).Type(), a)...)
		}
	}
	return found
}

// handed says that a value, if it belongs to a feature, is given to what another
// feature declares.
func (p *parsed) handed(to ast.Expr, as types.Type, value ast.Expr) []string {
	receives, given := p.owner(to), featureOf(typePath(p.info.TypeOf(value)))
	if receives == "" || given == "" || receives == given {
		return nil
	}
	return []string{fmt.Sprintf("%s is given %s as %s", receives, given, described(as))}
}

// owner is the feature that a function or a literal's type belongs to.
func (p *parsed) owner(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if o := p.info.Uses[s.Sel]; o != nil && o.Pkg() != nil {
			return featureOf(o.Pkg().Path())
		}
	}
	return featureOf(typePath(p.info.TypeOf(e)))
}

// typePath is the path of the package that declares a type or what it points to.
func typePath(t types.Type) string {
	if t == nil {
		return ""
	}
	if to, ok := t.(*types.Pointer); ok {
		t = to.Elem()
	}
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		return n.Obj().Pkg().Path()
	}
	return ""
}

// described is a type with the methods that it asks for.
func described(t types.Type) string {
	name := types.TypeString(t, func(p *types.Package) string { return p.Name() })
	i, ok := t.Underlying().(*types.Interface)
	if !ok {
		return name
	}
	var methods []string
	for m := range i.Methods() {
		methods = append(methods, m.Name())
	}
	return name + " (" + strings.Join(methods, ", ") + ")"
}
