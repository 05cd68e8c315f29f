package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// keys writes a key that is thrown away, with a password if it is to have one.
func keys(t *testing.T, password string) (private, public string) {
	t.Helper()
	pub, key, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.MarshalText()
	if password != "" {
		text, err = minisign.EncryptKey(password, key)
	}
	line, perr := pub.MarshalText()
	if err := errors.Join(err, perr); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	private, public = filepath.Join(dir, "key"), filepath.Join(dir, "key.pub")
	if err := errors.Join(os.WriteFile(private, text, 0o600), os.WriteFile(public, line, 0o644)); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// packages is a directory with two files and their sums.
func packages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.WriteFile(filepath.Join(dir, "a.deb"), []byte("one"), 0o644),
		os.WriteFile(filepath.Join(dir, "b.deb"), []byte("two"), 0o644), os.Mkdir(filepath.Join(dir, "work"), 0o755))
	if err == nil {
		err = writeSums(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func noPassword() (string, error) { return "", errors.New("nobody is there to ask") }

// signed is a directory that was signed, and the public key for it.
func signed(t *testing.T) (dir, public string) {
	t.Helper()
	private, public := keys(t, "")
	dir = packages(t)
	if err := sign(private, dir, noPassword); err != nil {
		t.Fatal(err)
	}
	if err := verify(public, dir); err != nil {
		t.Fatal(err)
	}
	return dir, public
}

func TestSums(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(packages(t), sumsName))
	const want = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.deb\n" +
		"3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  b.deb\n"
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
	if err := writeSums(t.TempDir()); err == nil {
		t.Error("an empty directory has sums")
	}
}

// TestEveryByteIsSigned changes each byte of the files, the sums and the signature.
func TestEveryByteIsSigned(t *testing.T) {
	dir, public := signed(t)
	for _, name := range []string{"a.deb", sumsName, signatureName} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		if name == signatureName { // its first line is a comment that nobody has signed
			from = bytes.IndexByte(text, '\n') + 1
		}
		for i := from; i < len(text); i++ {
			changed := bytes.Clone(text)
			changed[i] ^= 1
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				t.Fatal(err)
			}
			if verify(public, dir) == nil && !sameSignature(text, changed) {
				t.Errorf("%s with another byte at %d is accepted", name, i)
			}
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(public, dir); err != nil {
		t.Error(err)
	}
}

// sameSignature: the last character of a signature has bits that mean nothing.
func sameSignature(a, b []byte) bool {
	var one, two minisign.Signature
	return one.UnmarshalText(a) == nil && two.UnmarshalText(b) == nil && one.Equal(two)
}

func TestAnotherKey(t *testing.T) {
	dir, _ := signed(t)
	if _, other := keys(t, ""); verify(other, dir) == nil {
		t.Error("the signature of another is accepted")
	}
}

func TestFilesThatNobodySigned(t *testing.T) {
	dir, public := signed(t)
	extra := filepath.Join(dir, "c.deb")
	if err := os.WriteFile(extra, []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verify(public, dir); err == nil || !strings.Contains(err.Error(), "c.deb") {
		t.Errorf("a file beside those that were signed: %v", err)
	}
	if err := errors.Join(os.Remove(extra), os.Remove(filepath.Join(dir, "b.deb"))); err != nil {
		t.Fatal(err)
	}
	if err := verify(public, dir); err == nil || !strings.Contains(err.Error(), "b.deb") {
		t.Errorf("a file that is missing: %v", err)
	}
	if private, _ := keys(t, ""); sign(private, dir, noPassword) == nil {
		t.Error("sums of a file that is missing are signed")
	}
	if err := checkSums(dir, []byte("00  ../a.deb\n")); err == nil {
		t.Error("a sum of a file elsewhere is accepted")
	}
}

// TestPassword takes 15 seconds and a GB of memory: that is what guessing costs.
func TestPassword(t *testing.T) {
	if os.Getenv("TUNIC_LONG") == "" {
		t.Skip("set TUNIC_LONG")
	}
	private, public := keys(t, "correct horse")
	dir := packages(t)
	for _, password := range []func() (string, error){noPassword, func() (string, error) { return "wrong", nil }} {
		if sign(private, dir, password) == nil {
			t.Error("signed without the password")
		}
	}
	if err := sign(private, dir, func() (string, error) { return "correct horse", nil }); err != nil {
		t.Fatal(err)
	}
	if err := verify(public, dir); err != nil {
		t.Error(err)
	}
}

// TestMinisign: those who have Debian's minisign need nothing of ours.
func TestMinisign(t *testing.T) {
	if _, err := exec.LookPath("minisign"); err != nil {
		t.Skip("there is no minisign here")
	}
	dir, public := signed(t)
	if out, err := exec.Command("minisign", "-V", "-m", filepath.Join(dir, sumsName), "-p", public).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
