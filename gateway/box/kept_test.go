package box

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestFleeting(t *testing.T) {
	for rel, want := range map[string]bool{
		".": false, "onions": false, "onions/tor": false, "onions/photos/hostname": false, "state.json": false,
		"tor": false, "tor/state": false, "tor/cached-certs": true, "tor/keys": true, "tor/diff-cache/1": true,
		"tor-fast/lock": true, "tor-fast/state": false, "mail/bob/new/1": false, ".new-123": true, "onions/.new-1": true,
		"i2p": false, "i2p/keys": false, "i2p/keys/photos.dat": false, "i2p/router": true, "i2p/router/netDb/r1": true,
	} {
		if got := fleeting(rel); got != want {
			t.Errorf("%s: %v", rel, got)
		}
	}
}

func TestFindRangesKeepsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	local := []netip.Prefix{netip.MustParsePrefix("10.128.0.0/10")}
	r, kept, err := FindRanges(path, local)
	if _, bad := r.Overlap(local); err != nil || kept || bad {
		t.Errorf("FindRanges = %v, kept %v, %v", r, kept, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state file: %v", err)
	}
	first, err := LoadRanges(path, local)
	if err != nil {
		t.Fatal(err)
	}
	if again, kept, err := FindRanges(path, local); err != nil || !kept || again != first {
		t.Errorf("FindRanges = %v, kept %v, %v, want %v", again, kept, err, first)
	}
}
