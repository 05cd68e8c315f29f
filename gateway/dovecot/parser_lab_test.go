//go:build lab

package dovecot

import (
	"os/exec"
	"strings"
	"testing"
)

// TestParser has the Dovecot of this machine read the golden file of its dialect.
func TestParser(t *testing.T) {
	version, err := exec.Command("dovecot", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	dialect := "2.4"
	if strings.HasPrefix(string(version), "2.3.") {
		dialect = "2.3"
	}
	out, err := exec.Command("doveconf", "-n", "-c", "testdata/dovecot-"+dialect+".conf").CombinedOutput()
	if err != nil || strings.Contains(string(out), "Warning") || strings.Contains(string(out), "Obsolete") {
		t.Errorf("doveconf %s: %v\n%s", version, err, out)
	}
}
