package box

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

func TestStateVersion(t *testing.T) {
	for text, want := range map[string]string{
		"1\n": "", "0\n": "", "": "does not hold a number", "x\n": "does not hold a number", "-1\n": "does not hold a number",
		"2\n": "this one knows versions up to 1", "99999999999\n": "does not hold a number",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, versionFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for name, check := range map[string]func(string) error{"CheckVersion": CheckVersion, "CheckState": CheckState} {
			err := check(dir)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %q = %v, want %q in it", name, text, err, want)
			}
			if newer := text == "2\n"; errors.Is(err, ErrNewerState) != newer {
				t.Errorf("%s of %q: %v is of a newer state: %v", name, text, err, !newer)
			}
		}
	}
}

// A state that a newer tunic has written is not touched.
func TestNewerStateIsNotTouched(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	me := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if err := Prepare(p, me, me); err != nil {
		t.Skipf("as this user: %v", err)
	}
	marked := filepath.Join(p.State, versionFile)
	if text, err := os.ReadFile(marked); err != nil || string(text) != "1\n" {
		t.Fatalf("the version is %q, %v", text, err)
	}
	if err := os.Remove(filepath.Dir(p.OnionKeys("x"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marked, []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(p, me, me); !errors.Is(err, ErrNewerState) {
		t.Errorf("preparing it: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(p.OnionKeys("x"))); err == nil {
		t.Error("a directory was made in it")
	}
	if text, err := os.ReadFile(marked); err != nil || string(text) != "2\n" {
		t.Errorf("the version is %q, %v", text, err)
	}
}
