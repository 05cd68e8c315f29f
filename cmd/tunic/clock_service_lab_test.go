//go:build lab

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/gateway/feature"
)

// TestRunWith looks at what a program has that may set the clock, or does something
// else: here it may bind a port.
func TestRunWith(t *testing.T) {
	var out strings.Builder
	c := exec.Command("cat", "/proc/self/status")
	c.Stdout = &out
	if err := runWith(c, feature.IDs{UID: 65533, GID: 65532}, unix.CAP_NET_BIND_SERVICE); err != nil {
		t.Fatal(err)
	}
	const only = "0000000000000400"
	for _, line := range []string{"Uid:\t65533\t65533\t65533\t65533", "Gid:\t65532\t65532\t65532\t65532", "Groups:\t \n", "NoNewPrivs:\t1",
		"CapEff:\t" + only, "CapPrm:\t" + only, "CapAmb:\t" + only, "CapInh:\t" + only, "CapBnd:\t" + only} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("its status has no %q:\n%s", line, out.String())
		}
	}
	own, err := os.ReadFile("/proc/thread-self/status")
	if err != nil || !strings.Contains(string(own), "NoNewPrivs:\t0") {
		t.Errorf("this process has given something up itself: %s, %v", own, err)
	}
}
