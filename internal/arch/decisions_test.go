package arch

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of decisions")

var decision = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)

const decisionsHead = `# Decisions

Why things are as they are, one page for each decision: what there was to decide, what was decided, what was refused,
and what follows. A number that is missing here was never used. This list is made of the titles:
go test ./internal/arch -run Decisions -update

`

// The list of decisions has each, with its number and title.
func TestDecisions(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "decisions")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	list.WriteString(decisionsHead)
	seen := make(map[string]string)
	for _, e := range entries {
		m := decision.FindStringSubmatch(e.Name())
		if m == nil {
			if e.Name() != "README.md" {
				t.Errorf("%s has no name of a decision: NNNN-words.md", e.Name())
			}
			continue
		}
		if other := seen[m[1]]; other != "" {
			t.Errorf("%s and %s have one number", other, e.Name())
		}
		seen[m[1]] = e.Name()
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(m[1]) // it is one
		first, _, _ := strings.Cut(string(text), "\n")
		title, ok := strings.CutPrefix(first, fmt.Sprintf("# %d. ", n))
		if !ok {
			t.Errorf("%s begins with %q, not with \"# %d. \"", e.Name(), first, n)
		}
		fmt.Fprintf(&list, "- [%d. %s](%s)\n", n, title, e.Name())
	}
	if len(seen) < 100 {
		t.Errorf("only %d decisions were found", len(seen))
	}
	path := filepath.Join(dir, "README.md")
	if *update {
		if err := os.WriteFile(path, []byte(list.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != list.String() {
		t.Errorf("%s is not what the titles say (%v): go test ./internal/arch -run Decisions -update", path, err)
	}
}
