//go:build lab

package api

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The kernel says who calls: another user may look and change nothing.
func TestCallerOfAnotherUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path, f := filepath.Join(dir, "s"), &fake{}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	go Serve(t.Context(), ln, Parts{f, f, f, f, f, f, f, f, f, f, f, f}, slog.New(slog.DiscardHandler))
	call := func(method, what string) string {
		out, err := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "curl", "-s", "--unix-socket", path,
			"-X", method, "-d", "{}", "http://tunic"+what).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := call("GET", "/status"); !strings.Contains(out, `"state"`) {
		t.Errorf("status: %s", out)
	}
	if out := call("POST", "/lockdown"); !strings.Contains(out, "permission denied") || f.asked != nil {
		t.Errorf("lockdown: %s, %v", out, f.asked)
	}
}
