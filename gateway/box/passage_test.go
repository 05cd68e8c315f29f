package box

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/feature"
)

// The one directory on the way that tor's user cannot enter is named.
func TestPassage(t *testing.T) {
	base := t.TempDir()
	for dir := base; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	private, state := filepath.Join(base, "private"), filepath.Join(base, "private/var/tunic")
	if err := os.MkdirAll(state, 0o755); err != nil {
		t.Fatal(err)
	}
	mine, group, other := feature.IDs{UID: uint32(os.Getuid()), GID: 65533}, feature.IDs{UID: 65533, GID: uint32(os.Getgid())},
		feature.IDs{UID: 65533, GID: 65533}
	for _, tc := range []struct {
		mode os.FileMode
		who  feature.IDs
		ok   bool
	}{
		{0o755, other, true}, {0o711, other, true}, {0o700, other, false}, {0o750, other, false}, {0o750, group, true},
		{0o705, group, false}, {0o700, mine, true},
	} {
		if err := os.Chmod(private, tc.mode); err != nil {
			t.Fatal(err)
		}
		err := checkPassage(state, tc.who)
		if (err == nil) != tc.ok {
			t.Errorf("mode %o, %v: %v", tc.mode, tc.who, err)
		}
		if err != nil &&
			(!strings.Contains(err.Error(), "may not enter "+private+" ") || !strings.Contains(err.Error(), "chmod o+x "+private+"`")) {
			t.Errorf("it does not say where, and what to do: %v", err)
		}
	}
}
