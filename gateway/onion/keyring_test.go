package onion

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rest lets what was written be old enough to be remembered.
func rest() { time.Sleep(settled + 100*time.Millisecond) }

// keyChanges are what may happen to a key directory, each with what is then said.
func keyChanges(t *testing.T) map[string]keyChange {
	t.Helper()
	uid, gid := os.Getuid(), os.Getgid()
	other := filepath.Join(t.TempDir(), "other")
	if _, err := EnsureKeys(other, uid, gid); err != nil {
		t.Fatal(err)
	}
	body := func(dir, name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	return map[string]keyChange{
		"another secret in place": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, secretFile), body(other, secretFile), 0o600)
		}, "does not belong"},
		"another secret with the old time": {func(dir string) error {
			path := filepath.Join(dir, secretFile)
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, body(other, secretFile), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime())
		}, "does not belong"},
		"another file in its place": {func(dir string) error {
			return os.Rename(filepath.Join(other, publicFile), filepath.Join(dir, publicFile))
		}, "does not belong"},
		"a secret that others can read":    {func(dir string) error { return os.Chmod(filepath.Join(dir, secretFile), 0o644) }, "chmod"},
		"a directory that others can read": {func(dir string) error { return os.Chmod(dir, 0o755) }, "chmod"},
		"no secret":                        {func(dir string) error { return os.Remove(filepath.Join(dir, secretFile)) }, "is not"},
		"another name": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, hostnameFile), []byte("x.onion\n"), 0o600)
		}, "does not name"},
	}
}

type keyChange struct {
	change func(dir string) error
	want   string // in the error
}

// Keys that were proved are not read again, and whatever changes about them is
// noticed at once, by their times as by a watch.
func TestKeyringNoticesEachChange(t *testing.T) {
	for way, k := range map[string]*Keyring{"times": {watch: watch{off: true}}, "watch": {}} {
		noticesEachChange(t, way, k)
	}
}

func noticesEachChange(t *testing.T, way string, k *Keyring) {
	t.Helper()
	uid, gid, changes := os.Getuid(), os.Getgid(), keyChanges(t)
	base := t.TempDir()
	dirs := make(map[string]string)
	for name := range changes {
		dirs[name] = filepath.Join(base, strings.ReplaceAll(name, " ", "-"))
		if _, err := EnsureKeys(dirs[name], uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	rest()
	for name, c := range changes {
		dir := dirs[name]
		want, err := k.Round().Ensure(dir, uid, gid)
		if err != nil || len(k.known) == 0 || k.known[dir].address != want || (way == "watch") != (k.watch.dirs[dir] != nil) {
			t.Fatalf("%s: before: %v, remembered %v, watched %v", name, err, k.known[dir], k.watch.dirs[dir])
		}
		if way == "watch" {
			k.watch.dirs[dir].address = "remembered" // so that it can be told apart
			if got, err := k.Round().Ensure(dir, uid, gid); err != nil || got != "remembered" {
				t.Errorf("%s: nothing happened, and it was looked at: %v, %v", name, got, err)
			}
			if _, err := k.Round().Ensure(dir, uid+1, gid); err == nil {
				t.Errorf("%s: it is another user's, and was taken for theirs", name)
			}
		}
		if err := c.change(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Round().Ensure(dir, uid, gid); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want an error with %q", way, name, err, c.want)
		}
		if _, ok := k.known[dir]; ok {
			t.Errorf("%s: it is still remembered", name)
		}
	}
}

// What was written just now may be written again without another timestamp.
func TestKeyringDoesNotTrustWhatIsNew(t *testing.T) {
	k := Keyring{watch: watch{off: true}}
	dir := filepath.Join(t.TempDir(), "keys")
	uid, gid := os.Getuid(), os.Getgid()
	for begin, n := time.Now(), 0; n < 3; n++ {
		if _, err := k.Round().Ensure(dir, uid, gid); err != nil || len(k.known) != 0 && time.Since(begin) < settled {
			t.Fatalf("%v, remembered %v", err, k.known)
		}
	}
	rest()
	first, err := k.Round().Ensure(dir, uid, gid)
	if err != nil || len(k.known) != 1 {
		t.Fatalf("%v, remembered %v", err, k.known)
	}
	k.known[dir] = provedKeys{"remembered", k.known[dir].files} // so that it can be told apart
	if got, err := k.Round().Ensure(dir, uid, gid); err != nil || got != "remembered" {
		t.Errorf("it read the keys again: %q, %v", got, err)
	}
	if _, err := k.Round().Ensure(dir, uid+1, gid); err == nil {
		t.Error("it is another user's, and it was taken for theirs")
	}
	if got, err := k.Round().Ensure(dir, uid, gid); err != nil || got != first {
		t.Errorf("after that: %q, %v", got, err)
	}
}
