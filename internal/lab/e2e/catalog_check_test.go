package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the source tree, as tests see it.
const root = "../../.."

// reportFile is what `make leaks` writes.
const reportFile = root + "/docs/leaks.md"

// listed are all ids, in order.
func listed() []string {
	var ids []string
	for n := 1; n <= 47; n++ {
		ids = append(ids, fmt.Sprintf("L%02d", n))
	}
	for n := 1; n <= 15; n++ {
		ids = append(ids, fmt.Sprintf("M%02d", n))
	}
	return ids
}

func TestCatalog(t *testing.T) {
	var ids []string
	for _, e := range catalog() {
		ids = append(ids, e.id)
		if e.what == "" || e.held == "" {
			t.Errorf("%s: nothing is said of it", e.id)
		}
		for _, name := range e.tests {
			if err := exists(name); err != nil {
				t.Errorf("%s: %v", e.id, err)
			}
		}
		if strings.HasPrefix(e.held, "nothing") && e.beyond == "" {
			t.Errorf("%s: it is not held, and nothing says why", e.id)
		}
	}
	if !slices.Equal(ids, listed()) {
		t.Errorf("the list is %q", ids)
	}
}

// exists looks for a test by "directory Test" or "directory Test/part"; a part
// is named in the test itself, or in the list of the suite.
func exists(name string) error {
	dir, test, _ := strings.Cut(name, " ")
	test, part, _ := strings.Cut(test, "/")
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		return err
	}
	there, named := false, part == ""
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			there = there || fn.Name.Name == test
			named = named || (fn.Name.Name == test || slices.Contains(lists, fn.Name.Name)) && says(fn, part)
		}
		if there && named {
			return nil
		}
	}
	return fmt.Errorf("there is no test %q", name)
}

// lists are the functions that name the parts of the suite.
var lists = []string{"parts", "whileOutside"}

// says reports whether a string is written in a function.
func says(fn *ast.FuncDecl, text string) bool {
	said := false
	ast.Inspect(fn, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		said = said || ok && lit.Value == fmt.Sprintf("%q", text)
		return true
	})
	return said
}

func TestExistsNoticesWhatIsMissing(t *testing.T) {
	for _, name := range []string{suite + "nothing", kernel + "TestNothing", "nowhere TestLeaks"} {
		if exists(name) == nil {
			t.Errorf("%q is said to exist", name)
		}
	}
}

// TestReport: what is committed is about the list as it is now.
func TestReport(t *testing.T) {
	text, err := os.ReadFile(reportFile)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && slices.Contains(listed(), cell) {
			ids = append(ids, cell)
			if words := entryOf(cell); !strings.Contains(line, words.what) {
				t.Errorf("%s is not %q there: run `make leaks`", cell, words.what)
			}
		}
	}
	if !slices.Equal(ids, listed()) {
		t.Errorf("the table has %q", ids)
	}
}

func entryOf(id string) entry {
	list := catalog()
	return list[slices.IndexFunc(list, func(e entry) bool { return e.id == id })]
}

// TestLockdownIsFirst: what devices send before the rules are there no rule
// can hold, so the order of the units has to.
func TestLockdownIsFirst(t *testing.T) {
	for unit, lines := range map[string][]string{
		"tunic-lockdown.service": {"DefaultDependencies=no", "Wants=network-pre.target",
			"Before=network-pre.target shutdown.target", "WantedBy=sysinit.target",
			"After=netfilter-persistent.service nftables.service ufw.service"},
		"tunic.service": {"After=tunic-lockdown.service"},
	} {
		text, err := os.ReadFile(filepath.Join(root, "systemd", unit))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !slices.Contains(strings.Split(string(text), "\n"), line) {
				t.Errorf("%s has no line %q", unit, line)
			}
		}
	}
}
