//go:build lab

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A box that lacks a program which its configuration needs is warned, and is not told in the
// end that all is right.
func TestCheckSaysWhatIsMissing(t *testing.T) {
	root := t.TempDir()
	etc := filepath.Join(root, "etc/tunic")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "tunic.toml"), []byte("[household]\ninterfaces = [\"home0\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, box := inNewNetwork(t)
	if err := box(ip("link add home0 type veth peer name wire0; address add 192.168.77.1/24 dev home0; " +
		"link set home0 up; link set wire0 up; " +
		"link add wan0 type veth peer name wire1; address add 203.0.113.2/24 dev wan0; link set wan0 up; link set wire1 up; " +
		"route add default via 203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	check := func() (out, warnings string) {
		var said, warned bytes.Buffer
		_ = box(func() error {
			a := &app{out: &said, err: &warned, env: func(string) string { return "" }}
			if code := execute(t.Context(), a, []string{"check", "--root", root}); code != exitDone {
				t.Errorf("exit status %d: %s", code, &warned)
			}
			return nil
		})
		return said.String(), warned.String()
	}
	if out, warnings := check(); !strings.HasPrefix(out, "the configuration is right: ") || warnings != "" {
		t.Errorf("nothing is missing: %s%s", out, warnings)
	}
	programs := strings.Split(os.Getenv("PATH"), ":")
	for _, missing := range []string{"tor", "ip6tables-restore"} {
		t.Setenv("PATH", without(t, missing, programs))
		const words = "the files have no mistake, but see the warnings: "
		if out, warnings := check(); !strings.HasPrefix(out, words) || strings.Count(warnings, "tunic: warning: ") != 1 {
			t.Errorf("%s is missing: %s%s", missing, out, warnings)
		}
	}
}

// without makes a directory of all programs but one.
func without(t *testing.T, missing string, dirs []string) string {
	t.Helper()
	to := t.TempDir()
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.Name() != missing {
				_ = os.Symlink(filepath.Join(dir, e.Name()), filepath.Join(to, e.Name())) // the first of a name counts
			}
		}
	}
	return to
}
