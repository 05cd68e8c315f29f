//go:build lab

package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is what systemd-analyze may say of each unit at the most, times ten.
// What is left has its reason beside it in the unit. It counts 0.2 for PrivateTmp=, in place of
// which tunic.service has directories in memory of its own.
var exposure = map[string]string{"tunic.service": "37", "tunic-lockdown.service": "30"}

func TestAnalyze(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	dir := t.TempDir()
	for unit := range exposure {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, unit), []byte(strings.ReplaceAll(string(text), "@PREFIX@/bin/tunic", "/bin/true")),
			0o644); err != nil {
			t.Fatal(err)
		}
	}
	for unit, most := range exposure {
		path := filepath.Join(dir, unit)
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil ||
			strings.Contains(string(out), dir) {
			t.Errorf("verify: %v\n%s", err, out)
		}
		if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold="+most,
			path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
