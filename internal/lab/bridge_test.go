package lab

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBridgeLine(t *testing.T) {
	dir := t.TempDir()
	if _, err := bridgeLine(dir); err == nil {
		t.Error("a line out of nothing")
	}
	for name, text := range map[string]string{
		"fingerprint": "bridge 0123456789ABCDEF0123456789ABCDEF01234567\n",
		"pt_state/obfs4_bridgeline.txt": "# obfs4 torrc client bridge line\n#\n" +
			"Bridge obfs4 <IP ADDRESS>:<PORT> <FINGERPRINT> cert=ab+c/d iat-mode=0\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := "obfs4 203.0.113.20:9443 0123456789ABCDEF0123456789ABCDEF01234567 cert=ab+c/d iat-mode=0"
	if got, err := bridgeLine(dir); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}
