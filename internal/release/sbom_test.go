package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// ownBill is the bill of the test's own program.
func ownBill(t *testing.T) (b bill, program string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := execute(out, []string{"sbom", program, "v1.2.3", "1795983272"}); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("the same program has two bills")
	}
	if err := json.Unmarshal(first.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	return b, program
}

// TestBillHasEachModule compares it with go.sum, where the sums of modules are.
func TestBillHasEachModule(t *testing.T) {
	b, program := ownBill(t)
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 || len(b.Components) != len(info.Deps)+1+2 { // and Go's library, and two scripts
		t.Fatalf("the program has %d modules, and its bill %d", len(info.Deps), len(b.Components))
	}
	i := slices.IndexFunc(b.Components, func(c component) bool { return c.PURL == "pkg:golang/aead.dev/minisign@v0.3.0" })
	if i < 0 {
		t.Fatalf("a module is missing: %v", b.Components)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^aead.dev/minisign v0.3.0 (h1:\S+)$`).FindSubmatch(sums)
	want, err := library(&debug.Module{Path: "aead.dev/minisign", Version: "v0.3.0", Sum: string(line[1])})
	if err != nil || !slices.Equal(b.Components[i].Hashes, want.Hashes) || len(want.Hashes[0].Content) != 2*sha256.Size {
		t.Errorf("its sum is %v, and in go.sum %v: %v", b.Components[i].Hashes, want.Hashes, err)
	}
}

// TestBillIsOfThisProgram: what the program is called, and its own sum.
func TestBillIsOfThisProgram(t *testing.T) {
	b, program := ownBill(t)
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	main := b.Metadata.Component
	if main.Version != "v1.2.3" || main.Hashes[0].Content != fmt.Sprintf("%x", sha256.Sum256(text)) {
		t.Errorf("it is of %+v", main)
	}
	if b.Metadata.Timestamp != "2026-11-29T20:14:32Z" || b.Format != "CycloneDX" || b.Spec != "1.6" || b.Version != 1 {
		t.Errorf("its head is %+v", b)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(b.Serial) {
		t.Errorf("its number is %s", b.Serial)
	}
	refs := map[string]bool{main.Ref: true}
	for _, c := range b.Components {
		if refs[c.Ref] {
			t.Errorf("%s is there twice", c.Ref)
		}
		refs[c.Ref] = true
	}
	for _, ref := range b.Dependencies[0].DependsOn {
		if !refs[ref] {
			t.Errorf("%s is needed and not there", ref)
		}
	}
}

func TestModulesWithoutSums(t *testing.T) {
	for _, sum := range []string{"", "h1:", "h1:AAAA", "sha256:" + strings.Repeat("A", 44)} {
		if c, err := library(&debug.Module{Path: "example.org/a", Version: "v1.0.0", Sum: sum}); err == nil {
			t.Errorf("a module with the sum %q became %v", sum, c)
		}
	}
}

// TestNotices: each module that the program has comes with its licence.
func TestNotices(t *testing.T) {
	_, program := ownBill(t)
	var out bytes.Buffer
	if err := execute(&out, []string{"notices", program}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"=== Go's library, go1.", "=== aead.dev/minisign v0.3.0: LICENSE", "=== golang.org/x/sys v",
		"=== htmx.org 2.0.11: LICENSE-htmx\n\nZero-Clause BSD", "=== uplot 1.6.32: LICENSE-uplot\n\nThe MIT License"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("there is no %q", text)
		}
	}
	if err := notices(&out, "nothing", t.TempDir()); err == nil {
		t.Error("a module without a licence is accepted")
	}
}

// TestScripts: those of the page are in the bill with the sum of their file, and one that
// was changed is not passed on as theirs.
func TestScripts(t *testing.T) {
	b, _ := ownBill(t)
	for _, ref := range []string{"pkg:npm/htmx.org@2.0.11", "pkg:npm/uplot@1.6.32"} {
		i := slices.IndexFunc(b.Components, func(c component) bool { return c.Ref == ref })
		if i < 0 || len(b.Components[i].Hashes[0].Content) != 2*sha256.Size {
			t.Errorf("%s: %v", ref, b.Components)
		}
	}
	list, dir, err := scripts()
	if err != nil {
		t.Fatal(err)
	}
	list[0].Files[0].SHA256 = strings.Repeat("0", 2*sha256.Size)
	if list[0].check(dir) == nil || (script{}).check(dir) == nil {
		t.Error("a file with another sum is accepted")
	}
}
