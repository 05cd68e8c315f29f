package onion

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/durable"
)

func ensure(t *testing.T, dir string) (Address, error) {
	t.Helper()
	return EnsureKeys(dir, os.Getuid(), os.Getgid())
}

func made(t *testing.T) (dir string, address Address) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "onions", "home")
	address, err := ensure(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, address
}

func TestEnsureKeysMakesTorsFormat(t *testing.T) {
	dir, address := made(t)
	if _, err := Parse(string(address)); err != nil {
		t.Errorf("address %q: %v", address, err)
	}
	for name, want := range map[string]struct {
		size  int64
		start string
	}{
		"hs_ed25519_secret_key": {96, "== ed25519v1-secret: type0 ==\x00\x00\x00"},
		"hs_ed25519_public_key": {64, "== ed25519v1-public: type0 ==\x00\x00\x00" + string(address.PublicKey())},
		"hostname":              {63, string(address) + ".onion\n"},
	} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != want.size || info.Mode() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v", name, info.Size(), info.Mode())
		}
		if content, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(content, []byte(want.start)) {
			t.Errorf("%s does not begin as it should (%v)", name, err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("entries: %v, %v", entries, err)
	}
}

func TestEnsureKeysKeepsAndCompletes(t *testing.T) {
	for _, missing := range [][]string{
		nil,
		{hostnameFile},
		{publicFile},
		{publicFile, hostnameFile},
	} {
		t.Run(strings.Join(missing, "+"), func(t *testing.T) {
			dir, address := made(t)
			secret, err := os.ReadFile(filepath.Join(dir, secretFile))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range missing {
				mustRemove(t, filepath.Join(dir, name))
			}
			mustWrite(t, filepath.Join(dir, durable.Unfinished+"0"), "left by a power cut")
			again, err := ensure(t, dir)
			if err != nil || again != address {
				t.Fatalf("EnsureKeys = %q, %v; was %q", again, err, address)
			}
			for _, name := range missing {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Error(err)
				}
			}
			if now, err := os.ReadFile(filepath.Join(dir, secretFile)); err != nil || !bytes.Equal(now, secret) {
				t.Errorf("the secret key changed (%v)", err)
			}
		})
	}
}

func TestEnsureKeysIsRandom(t *testing.T) {
	_, a := made(t)
	_, b := made(t)
	if a == b {
		t.Errorf("two directories got one key: %s", a)
	}
}

func TestEnsureKeysRefuses(t *testing.T) {
	other, _ := made(t)
	for name, tc := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"secret lost": {func(t *testing.T, d string) { mustRemove(t, filepath.Join(d, secretFile)) }, "from a backup"},
		"secret and public lost": {func(t *testing.T, d string) {
			mustRemove(t, filepath.Join(d, secretFile), filepath.Join(d, publicFile))
		}, "hostname is there"},
		"secret empty": {func(t *testing.T, d string) { mustWrite(t, filepath.Join(d, secretFile), "") }, "does not begin"},
		"secret short": {func(t *testing.T, d string) {
			mustWrite(t, filepath.Join(d, secretFile), string(tagged(secretTag, nil)))
		}, "length"},
		"secret long": {func(t *testing.T, d string) {
			mustWrite(t, filepath.Join(d, secretFile), string(tagged(secretTag, make([]byte, 65))))
		}, "length"},
		"secret of zeros": {func(t *testing.T, d string) {
			mustWrite(t, filepath.Join(d, secretFile), string(tagged(secretTag, make([]byte, 64))))
		}, "no usable"},
		"old tag": {func(t *testing.T, d string) { mustWrite(t, filepath.Join(d, secretFile), strings.Repeat("x", 96)) },
			"does not begin"},
		"another's public": {func(t *testing.T, d string) { mustCopy(t, other, d, publicFile) }, "does not belong"},
		"another's name":   {func(t *testing.T, d string) { mustCopy(t, other, d, hostnameFile) }, "does not name"},
		"another's secret": {func(t *testing.T, d string) { mustCopy(t, other, d, secretFile) }, "does not belong"},
		"secret readable":  {func(t *testing.T, d string) { mustChmod(t, filepath.Join(d, secretFile), 0o640) }, "chmod 600 "},
		"directory open":   {func(t *testing.T, d string) { mustChmod(t, d, 0o755) }, "chmod 700 "},
		"secret is a link": {mustLink, "no regular file"},
		"hostname too long": {func(t *testing.T, d string) { mustWrite(t, filepath.Join(d, hostnameFile), strings.Repeat("a", 4096)) },
			"does not name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := made(t)
			before, err := os.ReadFile(filepath.Join(dir, secretFile))
			if err != nil {
				t.Fatal(err)
			}
			tc.damage(t, dir)
			address, err := ensure(t, dir)
			if err == nil {
				t.Fatalf("accepted as %s", address)
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %q does not say %q and the directory", err, tc.want)
			}
			if bytes.Contains([]byte(err.Error()), before[tagLen:tagLen+4]) {
				t.Error("the error holds bytes of a key")
			}
		})
	}
}

func TestEnsureKeysRefusesAnotherOwner(t *testing.T) {
	dir, _ := made(t)
	_, err := EnsureKeys(dir, os.Getuid()+1, os.Getgid())
	if err == nil || !strings.Contains(err.Error(), "chown -R") {
		t.Errorf("error = %v", err)
	}
}

// TestPublicKey compares with the standard library, which has the seed.
func TestPublicKey(t *testing.T) {
	signs := map[byte]int{}
	for range 2000 {
		want, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := publicKey(expand(key.Seed()))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %x: got %x, %v; want %x", key.Seed(), got, err, want)
		}
		signs[want[31]&0x80]++
	}
	if len(signs) != 2 {
		t.Errorf("the seeds cover one sign only: %v", signs)
	}
}

// TestPublicKeyVectors holds that no key has got another address, and that
// what was no key is none.
func TestPublicKeyVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "public_keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[bool]int{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		scalar, err := hex.DecodeString(words[0])
		if err != nil {
			t.Fatal(err)
		}
		got := "refused"
		if public, err := publicKey(scalar); err == nil {
			got = hex.EncodeToString(public)
		}
		if got != words[1] {
			t.Errorf("scalar %s: got %s, want %s", words[0], got, words[1])
		}
		seen[got == "refused"]++
	}
	if seen[true] != 9 || seen[false] != 18 {
		t.Errorf("refused and accepted: %v", seen)
	}
}

func mustWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustRemove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func mustChmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func mustCopy(t *testing.T, from, to, name string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(to, name), string(content))
}

func mustLink(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, secretFile)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secretFile+".old", path); err != nil {
		t.Fatal(err)
	}
}
