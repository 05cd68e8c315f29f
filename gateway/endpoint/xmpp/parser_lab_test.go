//go:build lab

package xmpp

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestParser has the Prosody of this machine read the golden file of its dialect.
func TestParser(t *testing.T) {
	golden := "testdata/prosody-0.12.cfg.lua"
	if newest(t) {
		golden = "testdata/prosody-13.cfg.lua"
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/prosody.cfg.lua" // prosodyctl wants a whole path
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("prosodyctl", "--root", "--config", path, "check", "config").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "All checks passed") || strings.Contains(string(out), "deprecated") {
		t.Errorf("prosodyctl: %v\n%s", err, out)
	}
}
