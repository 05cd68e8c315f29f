package native

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRequire looks that nothing is skipped where the tests are the kernel's own.
func TestRequire(t *testing.T) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	machine := string(bytes.TrimRight(name.Machine[:], "\x00"))
	own := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[machine] == runtime.GOARCH
	skipped := true
	t.Run("here", func(t *testing.T) {
		Require(t)
		skipped = false
	})
	if own && skipped {
		t.Errorf("%s is skipped on %s", os.Args[0], machine)
	}
}
