package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// guard is a condition under which a function returns, or a loop goes on, early.
type guard struct {
	file       string // its path
	line       int
	text       string // the condition
	begin, end int    // its bytes in the file
	plain      bool   // it only looks whether there was an error
}

func (g guard) String() string {
	return fmt.Sprintf("%s:%d: if %s", filepath.Base(g.file), g.line, g.text)
}

// guardsOf finds the guards in a file: each `if` without `else` whose block ends
// with a return, a continue, a break or a panic.
func guardsOf(path string, source []byte) ([]guard, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var list []guard
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.IfStmt); ok && s.Else == nil && leaves(s.Body) {
			begin, end := fset.Position(s.Cond.Pos()), fset.Position(s.Cond.End())
			text := strings.Join(strings.Fields(string(source[begin.Offset:end.Offset])), " ")
			list = append(list, guard{path, begin.Line, text, begin.Offset, end.Offset, text == "err != nil"})
		}
		return true
	})
	return list, nil
}

// leaves reports whether a block ends by leaving what it is in.
func leaves(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	switch last := b.List[len(b.List)-1].(type) {
	case *ast.ReturnStmt:
		return true
	case *ast.BranchStmt:
		return last.Tok == token.CONTINUE || last.Tok == token.BREAK
	case *ast.ExprStmt:
		if call, ok := last.X.(*ast.CallExpr); ok {
			name, ok := call.Fun.(*ast.Ident)
			return ok && name.Name == "panic"
		}
	}
	return false
}

// switchable returns the source with each condition handed to a function by its
// number, from first on, so that one program is all mutants.
func switchable(source []byte, guards []guard, first int) []byte {
	var out strings.Builder
	at := 0
	for i, g := range guards {
		if g.begin < at { // inside another condition: it is tried with that
			continue
		}
		fmt.Fprintf(&out, "%s%s(%d, bool(%s))", source[at:g.begin], hook, first+i, source[g.begin:g.end])
		at = g.end
	}
	out.Write(source[at:])
	return []byte(out.String())
}

// hook is the function, which the package does not have.
const hook = "tunicMutantGuard"

// hookSource defines it: the guard whose number is in the environment is removed
// or turned round, and that it was met is noted in a file.
func hookSource(pkg string) string {
	return `package ` + pkg + `

import (
	"os"
	"strconv"
	"sync"
)

var tunicMutant, _ = strconv.Atoi(os.Getenv("` + envNumber + `"))
var tunicMutantMet = sync.OnceFunc(func() { os.WriteFile(os.Getenv("` + envMet + `"), nil, 0o600) })

func ` + hook + `(n int, condition bool) bool {
	if n != tunicMutant {
		return condition
	}
	tunicMutantMet()
	return os.Getenv("` + envTurned + `") != "" && !condition
}
`
}

// What the program is told by the environment.
const (
	envNumber = "TUNIC_MUTANT"
	envTurned = "TUNIC_MUTANT_TURNED"
	envMet    = "TUNIC_MUTANT_MET"
)

// readGuards finds the guards of the files of a package.
func readGuards(files []string) (all [][]guard, sources [][]byte, err error) {
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		list, err := guardsOf(path, source)
		if err != nil {
			return nil, nil, err
		}
		all, sources = append(all, list), append(sources, source)
	}
	return all, sources, nil
}
