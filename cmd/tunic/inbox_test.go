package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/config"
)

// What friends have sent is listed, taken and removed, by its name if that is enough.
func TestInbox(t *testing.T) {
	root, to := t.TempDir(), t.TempDir()
	if code, out, _ := tunicAt(root, 0, "inbox"); code != 0 || !strings.Contains(out, "nothing is in the inbox") {
		t.Errorf("%d, %q", code, out)
	}
	dir := config.NewPaths(root).Drop()
	for _, path := range []string{"alice/photo.jpg", "bob/photo.jpg", "bob/a song.ogg"} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(path), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		words []string
		code  int
		want  string
	}{
		{[]string{"inbox"}, 0, "bob/a song.ogg\n"},
		{[]string{"inbox", "--json"}, 0, `"name": "a song.ogg"`},
		{[]string{"inbox", "take", "photo.jpg", to}, exitUsage, "2 files are called"},
		{[]string{"inbox", "take", "nothing", to}, exitUsage, "no file in the inbox is called"},
		{[]string{"inbox", "take", "../../x", to}, exitUsage, "no file in the inbox is called"},
		{[]string{"inbox", "tak"}, exitUsage, "tak"},
		{[]string{"inbox", "take", "alice/photo.jpg", to}, 0, "photo.jpg is in " + to},
		{[]string{"inbox", "take", "photo.jpg", to}, 0, "photo-2.jpg is in " + to},
		{[]string{"inbox", "take", "a song.ogg", filepath.Join(to, "nowhere")}, exitFailed, "no such file or directory"},
		{[]string{"inbox", "remove", "a song.ogg"}, 0, "bob/a song.ogg is gone"},
		{[]string{"inbox"}, 0, "nothing is in the inbox"},
	} {
		if code, out, errs := tunicAt(root, 0, x.words...); code != x.code || !strings.Contains(out+errs, x.want) {
			t.Errorf("%q: %d, %q, %q", x.words, code, out, errs)
		}
	}
	if got, err := os.ReadFile(filepath.Join(to, "photo-2.jpg")); err != nil || !strings.HasSuffix(string(got), "bob/photo.jpg") {
		t.Errorf("%q, %v", got, err)
	}
}

// What cannot be sent is said before anybody is called.
func TestSendMistakes(t *testing.T) {
	root := t.TempDir()
	writeConfig(t, root, "tunic.toml", "[household]\ninterfaces = [\"br-lan\"]\n")
	code, _, errs := tunicAt(root, 0, "send", "nobody", "/etc/hostname")
	if code != exitUsage || !strings.Contains(errs, `no friend is called "nobody"`) {
		t.Errorf("%d, %q", code, errs)
	}
	if _, _, err := announced(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a directory: %v", err)
	}
}
