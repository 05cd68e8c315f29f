package lab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFindAfter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(path, []byte("nonce..nonce.."), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from  int64
		nonce string
		want  int64
	}{{0, "nonce", 5}, {1, "nonce", 12}, {8, "nonce", 0}, {0, "other", 0}, {99, "nonce", 0}} {
		got, err := findAfter(path, c.from, []byte(c.nonce))
		if err != nil || got != c.want {
			t.Errorf("from %d, %q: %d, %v; want %d", c.from, c.nonce, got, err, c.want)
		}
	}
}

func TestPacketLines(t *testing.T) {
	got := packetLines("1.0 first\n\t0x0000: more\n  and more\n2.0 second\n")
	if want := []string{"1.0 first", "2.0 second"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
