//go:build lab

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMixedBackendsRefused is what a person meets who starts the daemon beside
// legacy tables: an explanation, and a household that is closed.
func TestMixedBackendsRefused(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "tunic")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	etc := filepath.Join(dir, "root/etc/tunic")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "tunic.toml"), []byte("[household]\ninterfaces = [\"br-lan\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ns := fmt.Sprintf("tunic-mix-%d", os.Getpid())
	ip := func(args ...string) (string, int) {
		cmd := exec.Command("ip", args...)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	inside := func(args ...string) (string, int) { return ip(append([]string{"netns", "exec", ns}, args...)...) }
	if out, code := ip("netns", "add", ns); code != 0 {
		t.Fatal(out)
	}
	t.Cleanup(func() { ip("netns", "del", ns) })
	if out, code := inside("iptables-legacy", "-A", "INPUT", "-j", "ACCEPT"); code != 0 {
		t.Fatal(out)
	}
	out, code := inside(binary, "run", "--root", filepath.Join(dir, "root"))
	if code != exitConfig || !strings.Contains(out, "iptables backends are mixed") || !strings.Contains(out, "ip_tables_names: filter") ||
		!strings.Contains(out, "tables that are empty go at the next reboot") ||
		!strings.Contains(out, "the household is closed until this is right") {
		t.Errorf("status %d:\n%s", code, out)
	}
	if rules, _ := inside("iptables", "-S", "FORWARD"); !strings.Contains(rules, "-A FORWARD -j TUNIC-FORWARD") {
		t.Errorf("the household is not closed:\n%s", rules)
	}
	if out, code := inside(binary, "lockdown", "--root", filepath.Join(dir, "root")); code != exitDone {
		t.Errorf("lockdown, status %d:\n%s", code, out)
	}
}
