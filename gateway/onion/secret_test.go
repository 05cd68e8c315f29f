package onion

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSecretIsTheKeyOfTheAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	address, err := EnsureKeys(dir, os.Getuid(), os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := Secret(dir, os.Getuid(), os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	public, err := publicKey(secret)
	if err != nil || FromPublicKey(public) != address {
		t.Errorf("the secret belongs to another address (%v)", err)
	}
	if err := os.Chmod(filepath.Join(dir, secretFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(dir, os.Getuid(), os.Getgid()); err == nil {
		t.Error("a key that everybody can read was taken")
	}
	if _, err := Secret(filepath.Join(dir, "none"), os.Getuid(), os.Getgid()); err == nil {
		t.Error("a key came from nowhere")
	}
}
