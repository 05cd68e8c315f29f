package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// okMain is the shortest tunic.toml.
const okMain = "[household]\ninterfaces = [\"br-lan\"]\n"

// newBox writes files, named from the directory of tunic.toml, below a root of
// its own. $ROOT in them is that root, in which the directory srv is there to
// be served. Without a tunic.toml among them there is okMain.
func newBox(t testing.TB, files map[string]string) Paths {
	t.Helper()
	p := NewPaths(t.TempDir())
	all := map[string]string{"tunic.toml": okMain}
	maps.Copy(all, files)
	if err := os.MkdirAll(filepath.Join(p.Root, "srv"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range all {
		path := filepath.Join(p.Etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "$ROOT", p.Root)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// errorLines are the lines of an error with the box's own paths taken out:
// "tunic.toml:2: household.interfaces: missing" and "    hint".
func errorLines(p Paths, err error) []string {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), p.Etc+"/", "")
	return strings.Split(strings.ReplaceAll(text, p.Root, "$ROOT"), "\n")
}

// mistakes are errorLines without the hints.
func mistakes(p Paths, err error) []string {
	var lines []string
	for _, line := range errorLines(p, err) {
		if !strings.HasPrefix(line, "    ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestStateOfOpenWrt: what must survive a reboot is not below /var there.
func TestStateOfOpenWrt(t *testing.T) {
	root := t.TempDir()
	if state := NewPaths(root).State; state != filepath.Join(root, "var/lib/tunic") {
		t.Errorf("the state is in %s", state)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/openwrt_release"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if state := NewPaths(root).State; state != filepath.Join(root, "srv/tunic") {
		t.Errorf("on OpenWrt the state is in %s", state)
	}
}
