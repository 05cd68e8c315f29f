package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunic/gateway/config"
)

var update = flag.Bool("update", false, "write what is generated into the documentation")

const publishGuide = "../../docs/publish.md"

// The examples of the guide run as they stand, on a box without a daemon.
func TestDocsExamples(t *testing.T) {
	text, err := os.ReadFile(publishGuide)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	main := config.NewPaths(root).Main()
	if err := os.MkdirAll(filepath.Dir(main), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(main, []byte("[household]\ninterfaces = [\"br-lan\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^    \$ tunic (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(examples) < 5 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	for _, example := range examples {
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }, root: root, uid: 1000}
		args := append([]string{"--root", root}, strings.Fields(example[1])...)
		if code := execute(context.Background(), a, args); code != exitDone {
			t.Errorf("tunic %s ended with status %d: %s", example[1], code, errs.String())
		}
	}
}

// The guide's own profile is one, and its list of probes is whole.
func TestDocsOwnProfile(t *testing.T) {
	text, err := os.ReadFile(publishGuide)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(text)
	p := config.NewPaths(t.TempDir())
	if err := os.MkdirAll(p.ProfileDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.ProfileDir(), "wiki.toml"), block[1], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.LoadProfiles(p); err != nil {
		t.Error(err)
	}
	for _, probe := range config.Probes {
		if !strings.Contains(string(text), "`"+probe+"`") {
			t.Errorf("the guide does not name the probe %s", probe)
		}
	}
}

// The guide's list of profiles is made from the data.
func TestDocsProfiles(t *testing.T) {
	const begin, end = "-update -->\n", "<!-- end of profiles -->"
	text, err := os.ReadFile(publishGuide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatal("the guide has no place for the profiles")
	}
	list, err := config.LoadProfiles(config.NewPaths(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	want := before + begin + profileTable(list) + end + after
	if *update {
		if err := os.WriteFile(publishGuide, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("the list of profiles is not what the data says: run this test with -update")
	}
}

func profileTable(list []config.Profile) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "### %s\n\n[%s](%s), port %d to %d. Visitors: `%s`\n\n- Watch out: %s.\n",
			p.Name, p.Title, p.Docs, p.Port, p.Target, p.VisitAs("KEY.onion"), p.Danger)
		if p.Trust != "" {
			fmt.Fprintf(&b, "- Names: %s.\n", p.Trust)
		}
		b.WriteString("\n")
	}
	return b.String()
}
