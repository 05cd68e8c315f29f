package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// page is what `tunic manual` prints.
func page(t *testing.T, section string) string {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }}
	if code := execute(context.Background(), a, []string{"manual", section}); code != exitDone {
		t.Fatalf("tunic manual %s ended with status %d: %s", section, code, errs.String())
	}
	return out.String()
}

// The manual has each verb that people use, with its flags.
func TestManualHasAllVerbs(t *testing.T) {
	text := page(t, "8")
	for _, c := range verbs(newRoot(&app{env: func(string) string { return "" }})) {
		path := strings.TrimPrefix(c.CommandPath(), "tunic ")
		if c.HasParent() && c.Runnable() && !c.Hidden && c.Name() != "help" && !isTwice(path) {
			if !strings.Contains(text, "\n.SS "+roff(path)) {
				t.Errorf("the manual says nothing of %s", path)
			}
		}
	}
	for _, flag := range []string{`\-\-forget\-key`, `\-\-root string`} {
		if !strings.Contains(text, flag) {
			t.Errorf("the manual says nothing of %s", flag)
		}
	}
	for _, hidden := range []string{"\n.SS confine", "\n.SS manual", "\n.SS help"} {
		if strings.Contains(text, hidden) {
			t.Errorf("the manual has %q", hidden)
		}
	}
}

// isTwice says whether the manual leaves a verb to another place.
func isTwice(path string) bool {
	parent, _, ok := strings.Cut(path, " ")
	return ok && (parent == "completion" || parent == "onion" || parent == "friend")
}

func TestRoff(t *testing.T) {
	if have, want := roff(".TH\n'x\n-a \\ ~"), `\&.TH`+"\n"+`\&'x`+"\n"+`\-a \e \(ti`; have != want {
		t.Errorf("%q is not %q", have, want)
	}
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: os.Getenv}
	if code := execute(context.Background(), a, []string{"manual", "1"}); code != exitUsage {
		t.Errorf("a section that is not there ended with %d", code)
	}
}

// A program that reads manual pages has nothing to say against ours.
func TestManualIsFormatted(t *testing.T) {
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("there is no groff here")
	}
	for _, section := range []string{"8", "5"} {
		file := filepath.Join(t.TempDir(), "page")
		if err := os.WriteFile(file, []byte(page(t, section)), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("groff", "-k", "-man", "-Tutf8", "-ww", "-z", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("section %s: %v\n%s", section, err, out)
		}
	}
}
