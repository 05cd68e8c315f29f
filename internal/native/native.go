// Package native tells tests that start their own binary again whether this
// machine can: where an emulator runs the tests of another processor
// (`make cross-test`), and the kernel does not know it, it cannot.
//
// Use it in such tests alone. A test that runs another program needs nothing
// of it.
package native

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

// Require skips the test, and says so, if the kernel refuses to start the test
// binary because it is another processor's. Nothing else is a reason to skip.
func Require(t testing.TB) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^$") // which qemu-user leads to the test binary, too
	if err := cmd.Run(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("skipped: the test starts its own binary again, which is of another processor than this kernel's")
	}
}
