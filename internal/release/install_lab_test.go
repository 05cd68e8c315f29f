//go:build lab

package main

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestInstallAndUninstall: what the one puts in place, which is what a package
// has, the other takes away.
func TestInstallAndUninstall(t *testing.T) {
	dir := t.TempDir()
	makes := func(target string) []string {
		t.Helper()
		cmd := exec.Command("make", "-C", "../..", target, "DESTDIR="+dir, "PREFIX=/usr", "PROGRAM=/bin/true")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
		var files []string
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path[len(dir):])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	files := makes("install")
	for _, name := range []string{"/usr/bin/tunic", "/usr/share/man/man8/tunic.8", "/usr/lib/systemd/system/tunic.service"} {
		if !slices.Contains(files, name) {
			t.Errorf("%s is not installed: there are %q", name, files)
		}
	}
	if left := makes("uninstall"); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}
