package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunic/gateway/health"
)

var (
	mdLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	codeRef = regexp.MustCompile("`([a-z]+(?:-[a-z]+)+)`")
)

// Each link within the documentation leads to a file, and to a heading of it.
func TestDocsLinks(t *testing.T) {
	seen := 0
	for _, page := range guides(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mdLink.FindAllStringSubmatch(string(text), -1) {
			name, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(name, ":") {
				continue
			}
			seen++
			target := page
			if name != "" {
				target = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if anchor != "" && !anchors(t, target)[anchor] {
				t.Errorf("%s: %s has no heading %q", page, target, anchor)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d links were found", seen)
	}
}

// anchors are the headings of a page as GitHub and others name them in links.
func anchors(t *testing.T, page string) map[string]bool {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		list[strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return list
}

// The findings that the page about troubles names are there.
func TestDocsFindings(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	found := codeRef.FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		if _, ok := health.Explain(health.Code(m[1])); !ok {
			t.Errorf("no finding is called %q", m[1])
		}
	}
	if len(found) < 15 {
		t.Errorf("only %d findings are named", len(found))
	}
}
