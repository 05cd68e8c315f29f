package machine

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"testing"
)

func TestOtherTors(t *testing.T) {
	proc := t.TempDir()
	for pid, files := range map[string]map[string]string{
		"10":   {"comm": "tor\n", "status": "Name:\ttor\nNSpid:\t10\n"},
		"11":   {"comm": "tor\n", "status": "Name:\ttor\nNSpid:\t11\t2\n"}, // a container's
		"12":   {"comm": "torsocks\n", "status": "NSpid:\t12\n"},
		"self": {"comm": "tor\n"},
	} {
		for name, text := range files {
			path := filepath.Join(proc, pid, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := otherTors(proc); !slices.Equal(got, []string{me.Username}) {
		t.Errorf("other tors are %q's, want one of %s", got, me.Username)
	}
	if err := os.WriteFile(filepath.Join(proc, "10/comm"), []byte("bash\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := otherTors(proc); got != nil {
		t.Errorf("other tors are %q's, and there are none", got)
	}
}
