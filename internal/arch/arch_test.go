package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "tunic"

// onlyImporter says who may import a library that has one importer.
var onlyImporter = map[string][]string{
	"github.com/cretz/bine":            {"gateway/tor"},
	"github.com/things-go/go-socks5":   {"gateway/socks"},
	"github.com/coreos/go-iptables":    {"rules/netfilter"},
	"github.com/vishvananda/netlink":   {"rules/netfilter"},
	"github.com/miekg/dns":             {"gateway/resolver", "internal/lab"},
	"github.com/pelletier/go-toml/v2":  {"gateway/config"},
	"github.com/coreos/go-systemd/v22": {"cmd/tunic"},
	"github.com/spf13/cobra":           {"cmd/tunic", "cmd/tunic-lab"},
	"github.com/spf13/pflag":           {"cmd/tunic"},
	"github.com/emersion/go-smtp":      {"gateway/endpoint/smtp"},
	"github.com/emersion/go-sasl":      {"gateway/endpoint/smtp"},
	"github.com/emersion/go-msgauth":   {"gateway/endpoint/smtp/dkim"},
	"rsc.io/qr":                        {"cmd/tunic", "gateway/page"},
	"filippo.io/age":                   {"gateway/backup"},
	"aead.dev/minisign":                {"internal/release"},
	"filippo.io/edwards25519":          {"gateway/onion"},
	"github.com/rogpeppe/go-internal":  {},
	"github.com/vishvananda/netns":     {},
}

// leaves import no other package of the project.
var leaves = []string{"gateway/config", "gateway/supervise", "gateway/link", "gateway/health", "gateway/durable", "gateway/splice",
	"gateway/sample", "gateway/untrusted"}

// pure is what rules may not have: it has no view of the machine.
var impure = []string{"os", "os/exec", "net", "net/http", "time", "syscall", "golang.org/x/sys/unix"}

// dials are calls that open a connection; only the wiring may make them.
var diallers = []string{"gateway/serve", "gateway/api", "gateway/tor", "gateway/supervise", "gateway/link", "cmd/", "internal/", "rules/"}

type file struct {
	path, pkg string
	imports   []string
}

// source lists the project's non-test files with their imports.
func source(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || rel == "tools" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{path: rel, pkg: filepath.Dir(rel)}
		for _, i := range parsed.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d source files were found: is the test looking at the tree?", len(files))
	}
	return files
}

func TestImportTable(t *testing.T) {
	for _, f := range source(t) {
		for _, p := range f.imports {
			own, inside := strings.CutPrefix(p, module+"/")
			if inside && strings.HasPrefix(f.pkg, own+"/") && strings.HasPrefix(own, "gateway") && own != "gateway/endpoint" &&
				own != "gateway/feature" {
				t.Errorf("%s imports its parent %s", f.path, p)
			}
			if inside && slices.Contains(leaves, f.pkg) {
				t.Errorf("%s is in a leaf and imports %s", f.path, p)
			}
			if inside && strings.HasPrefix(f.pkg, "rules") && !strings.HasPrefix(own, "rules") {
				t.Errorf("%s: rules import %s", f.path, p)
			}
			if f.pkg == "rules" && slices.Contains(impure, p) {
				t.Errorf("%s: rules are pure, but import %s", f.path, p)
			}
			checkWalls(t, f, own, inside)
			checkLibrary(t, f, p)
		}
	}
}

// checkWalls are those between the reconciler, the features and the system: what
// they have in common knows none of them, no feature knows another, and the
// reconciler knows none by name.
func checkWalls(t *testing.T, f file, own string, inside bool) {
	t.Helper()
	if !inside {
		return
	}
	switch {
	case f.pkg == "gateway/feature" &&
		(own == "gateway/machine" || own == "gateway/child" || own == "gateway/serve" || strings.HasPrefix(own, "rules/")),
		strings.HasPrefix(f.pkg, "gateway/feature") && (own == "gateway" || strings.HasPrefix(own, "gateway/feature/")),
		own != "gateway/feature" && strings.HasPrefix(own, "gateway/feature/") && f.pkg != "cmd/tunic",
		f.pkg == "gateway" && (own == "gateway/machine" || own == "gateway/child" || own == "gateway/serve" || own == "rules/netfilter"),
		f.pkg == "gateway" && (own == "gateway/dovecot" || strings.HasPrefix(own, "gateway/endpoint/")),
		f.pkg != "cmd/tunic" && (own == "gateway/machine" || own == "gateway/child"):
		t.Errorf("%s imports %s", f.path, own)
	}
}

func checkLibrary(t *testing.T, f file, path string) {
	t.Helper()
	for library, importers := range onlyImporter {
		if path != library && !strings.HasPrefix(path, library+"/") {
			continue
		}
		allowed := slices.ContainsFunc(importers, func(dir string) bool {
			return f.pkg == dir || strings.HasPrefix(f.pkg, dir+"/") && dir == "internal/lab"
		})
		if !allowed {
			t.Errorf("%s imports %s; only %v may", f.path, library, importers)
		}
	}
}

// Anything that dials outside Tor is a leak, so those who parse strangers'
// bytes are given their dialers.
func TestNobodyDialsByItself(t *testing.T) {
	for _, f := range source(t) {
		if slices.ContainsFunc(diallers, func(dir string) bool { return strings.HasPrefix(f.path, dir) }) {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join("..", "..", f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range netCalls(parsed) {
			t.Errorf("%s uses %s", f.path, call)
		}
	}
}

// TestPackageComments wants one in each package (style: what it is, when to use it).
func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	for _, f := range source(t) {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", f.path), nil,
			parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		commented[f.pkg] = commented[f.pkg] || parsed.Doc != nil
	}
	for pkg, ok := range commented {
		if !ok {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}
