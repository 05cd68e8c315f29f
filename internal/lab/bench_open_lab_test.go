//go:build lab

package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// measured brings up a lab in which something is measured, and ends what takes longer than
// limit. What prepare does is done to the directory of the lab's programs before: without
// buildTunic there is no daemon in it.
func measured(b *testing.B, limit time.Duration, o Options, prepare ...func(b *testing.B, dir string)) (context.Context, *Lab) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	b.Cleanup(cancel)
	o.BinDir = tools(b)
	for _, do := range prepare {
		do(b, o.BinDir)
	}
	return ctx, up(b, ctx, o)
}

// buildTunic builds the daemon as the Makefile does.
func buildTunic(b *testing.B, dir string) {
	b.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "tunic"), "tunic/cmd/tunic")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building tunic: %v\n%s", err, out)
	}
}
