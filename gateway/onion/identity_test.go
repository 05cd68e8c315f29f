package onion

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const clientLine = "descriptor:x25519:N2NU7BSRL6YODZCYPN4CREB54TYLKGIE2KYOQWLFYC23ZJVCE5DQ\n"

// Out and in again it is the same onion, with its clients, in files that only
// their owner can open.
func TestIdentityGoesOutAndIn(t *testing.T) {
	dir, address := made(t)
	mustMkdir(t, filepath.Join(dir, clientsDir))
	mustWrite(t, filepath.Join(dir, clientsDir, "alice.auth"), clientLine)
	mustWrite(t, filepath.Join(dir, clientsDir, "alice.auth~"), "an editor's")
	id, err := ReadIdentity(dir)
	if err != nil || id.Address != address || id.Clients["alice.auth"] != clientLine || len(id.Clients) != 1 {
		t.Fatalf("read %v with %v, %v", id, id.Clients, err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := id.Create(out, os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": fs.ModeDir | 0o700, clientsDir: fs.ModeDir | 0o700,
		secretFile: 0o600, publicFile: 0o600, hostnameFile: 0o600, clientsDir + "/alice.auth": 0o600} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{secretFile, publicFile, hostnameFile} {
		a, _ := os.ReadFile(filepath.Join(dir, name))
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v)", name, err)
		}
	}
	if again, err := ensure(t, out); err != nil || again != address {
		t.Errorf("as an onion's own directory: %v, %v", again, err)
	}
	if err := id.Create(out, os.Getuid(), os.Getgid()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing directory: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What a generator of vanity addresses leaves has what tor leaves, but the key
// alone is enough.
func TestReadIdentityNeedsTheKeyAlone(t *testing.T) {
	dir, address := made(t)
	mustRemove(t, filepath.Join(dir, publicFile))
	mustRemove(t, filepath.Join(dir, hostnameFile))
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if id, err := ReadIdentity(dir); err != nil || id.Address != address || id.Clients != nil {
		t.Errorf("read %v, %v", id, err)
	}
}

func TestReadIdentityRefuses(t *testing.T) {
	_, other := made(t)
	cases := map[string]struct {
		spoil func(dir string)
		want  string
	}{
		"others read it": {func(dir string) { mustChmod(t, filepath.Join(dir, secretFile), 0o604) }, "run chmod 600"},
		"the group too":  {func(dir string) { mustChmod(t, filepath.Join(dir, secretFile), 0o640) }, "others may have the address's key"},
		"short":          {func(dir string) { truncate(t, filepath.Join(dir, secretFile), 95) }, "must have 96 bytes"},
		"long": {func(dir string) {
			mustWrite(t, filepath.Join(dir, secretFile), secretTag+strings.Repeat("\x00", 67)+"x")
		}, "must have 96 bytes"},
		"another kind": {func(dir string) { mustWrite(t, filepath.Join(dir, secretFile), strings.Repeat("k", 96)) },
			"no key file of tor's"},
		"public key of another": {func(dir string) {
			mustWrite(t, filepath.Join(dir, publicFile), string(tagged(publicTag, other.PublicKey())))
		}, "does not belong to"},
		"hostname of another": {func(dir string) { mustWrite(t, filepath.Join(dir, hostnameFile), other.Host()+"\n") },
			"does not name the key's address"},
		"linked key":      {func(dir string) { link(t, filepath.Join(dir, secretFile)) }, "symbolic link"},
		"linked hostname": {func(dir string) { link(t, filepath.Join(dir, hostnameFile)) }, "symbolic link"},
		"a pipe": {func(dir string) {
			mustRemove(t, filepath.Join(dir, secretFile))
			if err := unix.Mkfifo(filepath.Join(dir, secretFile), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no regular file"},
		"no key":    {func(dir string) { mustRemove(t, filepath.Join(dir, secretFile)) }, "HiddenServiceDir"},
		"version 2": {func(dir string) { os.Rename(filepath.Join(dir, secretFile), filepath.Join(dir, "private_key")) }, "version 2"},
		"a client that is none": {func(dir string) {
			mustMkdir(t, filepath.Join(dir, clientsDir))
			mustWrite(t, filepath.Join(dir, clientsDir, "bob.auth"), "descriptor:x25519:short")
		}, "bob.auth"},
		"linked clients": {func(dir string) {
			if err := os.Symlink(t.TempDir(), filepath.Join(dir, clientsDir)); err != nil {
				t.Fatal(err)
			}
		}, "no directory"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir, _ := made(t)
			secret, err := os.ReadFile(filepath.Join(dir, secretFile))
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(dir)
			_, err = ReadIdentity(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), hex.EncodeToString(secret[40:48])) {
				t.Error("the error holds the key")
			}
		})
	}
	dir, _ := made(t)
	name := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, name); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIdentity(name); err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("a link to the directory: %v", err)
	}
}

// Nothing that prints an identity prints its key.
func TestIdentityKeepsItsSecret(t *testing.T) {
	dir, _ := made(t)
	id, err := ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("have", "id", id)
	text := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d", id, id, id, id, id, id, []any{id})
	for _, form := range []string{"%x", "%d", "%q", "%s"} {
		if strings.Contains(text, strings.Trim(fmt.Sprintf(form, id.Secret[:8]), "[]\"")) {
			t.Errorf("the secret is in %q as %s", text, form)
		}
	}
	if !strings.Contains(text, id.Address.Host()) {
		t.Errorf("the address is not in %q", text)
	}
}

func mustMkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// link replaces a file by a link to it.
func link(t *testing.T, path string) {
	t.Helper()
	elsewhere := path + ".elsewhere"
	if err := os.Rename(path, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
}
