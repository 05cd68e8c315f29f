package arch

import (
	"bytes"
	"os/exec"
	"testing"
)

// make can read the Makefile, and no target has two recipes, of which it would take the
// last: two branches that change the same lines can leave both.
func TestMakefile(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	cmd := exec.CommandContext(t.Context(), "make", "--dry-run", "help")
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("warning:")) {
		t.Errorf("make: %v\n%s", err, out)
	}
}
