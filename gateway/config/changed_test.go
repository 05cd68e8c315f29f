package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Every kind of file is named when it comes, goes, or has another text.
func TestChangedFiles(t *testing.T) {
	p := newBox(t, map[string]string{"devices/tv.toml": "mac = \"02:00:00:00:00:10\"\n", "torrc.d/a.conf": "# a\n",
		"endpoints/gopher.toml": "root = \"$ROOT/srv\""})
	before, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"tunic.toml": okMain + "# more\n", "torrc.d/a.conf": "# b\n", "devices/tv.toml.bak": "x",
		"onions/photos.toml": "[ports]\n80 = \"192.168.77.20:8080\"\n", "profiles/wiki.toml": "title = \"Wiki\"\nport = 80\n" +
			"target = 3000\nprobe = \"http\"\nvisit = \"http://{host}/\"\ndanger = \"none\"\n"} {
		path := filepath.Join(p.Etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(p.DeviceDir(), "tv.toml")); err != nil {
		t.Fatal(err)
	}
	after, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"- devices/tv.toml", "+ onions/photos.toml", "+ profiles/wiki.toml", "~ torrc.d/a.conf", "~ tunic.toml"}
	if got := ChangedFiles(before, after); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ChangedFiles(after, after); got != nil {
		t.Errorf("without a change: %q", got)
	}
	if got := ChangedFiles(&Config{}, before); len(got) != 4 {
		t.Errorf("compared with none: %q", got)
	}
}
