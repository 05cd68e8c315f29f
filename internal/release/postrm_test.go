package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// purged runs the package's script on a root of its own, and returns what it says.
func purged(t *testing.T, root string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/debian/postrm")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/etc/tunic", root+"/etc/tunic", "/var/", root+"/var/", "/run/", root+"/run/").Replace(string(text))
	said := ""
	for _, verb := range []string{"remove", "purge"} {
		out, err := exec.Command("sh", "-c", script, "postrm", verb).CombinedOutput()
		if said += string(out); err != nil {
			t.Errorf("%s: %v: %s", verb, err, out)
		}
	}
	return said
}

func put(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("key"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Whatever its owner has made of the directories, purge ends, and loses no key.
func TestPurgeLosesNoKey(t *testing.T) {
	root := t.TempDir()
	odd := []string{"etc/tunic/a\nb", "etc/tunic/ -rf x", "etc/tunic.before-1 2/-z"}
	for _, name := range odd {
		put(t, filepath.Join(root, name))
	}
	put(t, filepath.Join(root, "stick/onions/home/key"))
	put(t, filepath.Join(root, "var/lib/tunic-setup/last.json"))
	put(t, filepath.Join(root, "var/lib/tunic-setup/access-point/last.json"))
	if err := os.Symlink("../../stick", filepath.Join(root, "var/lib/tunic")); err != nil {
		t.Fatal(err)
	}
	said := purged(t, root)
	backups, _ := filepath.Glob(filepath.Join(root, "var/backups/tunic-*"))
	if len(backups) != 1 || !strings.Contains(said, backups[0]) {
		t.Fatalf("%q: %s", backups, said)
	}
	if info, err := os.Stat(backups[0]); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range odd {
		if _, err := os.Stat(filepath.Join(backups[0], root, name)); err != nil {
			t.Errorf("it is not in the backup: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "stick/onions/home/key")); err != nil || !strings.Contains(said, root+"/stick") {
		t.Errorf("%v; what the link led to stays, and it says so: %s", err, said)
	}
	if !strings.Contains(said, "the access point stays") {
		t.Errorf("it does not say that the access point stays: %s", said)
	}
	for _, pattern := range []string{"etc/tunic*", "var/lib/tunic*"} {
		if left, _ := filepath.Glob(filepath.Join(root, pattern)); len(left) > 0 {
			t.Errorf("left are %q", left)
		}
	}
}

// A link to an empty directory is no reason to stay installed for ever.
func TestPurgeOfAnEmptyLink(t *testing.T) {
	root := t.TempDir()
	err := errors.Join(os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.MkdirAll(filepath.Join(root, "stick"), 0o755),
		os.Symlink("../stick", filepath.Join(root, "etc/tunic")))
	if err != nil {
		t.Fatal(err)
	}
	purged(t, root)
	if _, err := os.Lstat(filepath.Join(root, "etc/tunic")); err == nil {
		t.Error("the link stays")
	}
}
