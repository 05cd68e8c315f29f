package main

import (
	"bufio"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leanAfter is when serve gives back what only its start has needed: by then it has all
// that is wanted of it.
const leanAfter = time.Minute

// leanLater gives back what only the start has needed, once: idle pages of Go's heap, and
// the program's own pages, most of which serve never touches again. They come back from the
// file when they are needed.
func leanLater(ctx context.Context) {
	go func() {
		timer := time.NewTimer(leanAfter)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		debug.FreeOSMemory()
		unmapProgram()
	}()
}

// unmapProgram takes the program's code and constants out of this process's page tables. It
// is harmless: what cannot be written is the same in the file (madvise(2), MADV_DONTNEED), and it does
// nothing if /proc is not there.
func unmapProgram() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if begin, end, ok := unwritable(lines.Text(), exe); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED)
		}
	}
}

// unwritable reads a line of /proc/PID/maps (proc_pid_maps(5)), and reports whether it is a part
// of the program that nobody can have changed.
func unwritable(line, exe string) (begin, end uintptr, ok bool) {
	f := strings.SplitN(line, " ", 6)
	if len(f) < 6 || strings.TrimLeft(f[5], " ") != exe || len(f[1]) != 4 || f[1][0] != 'r' || f[1][1] != '-' || f[1][3] != 'p' {
		return 0, 0, false
	}
	from, to, found := strings.Cut(f[0], "-")
	b, errB := strconv.ParseUint(from, 16, strconv.IntSize)
	e, errE := strconv.ParseUint(to, 16, strconv.IntSize)
	return uintptr(b), uintptr(e), found && errB == nil && errE == nil && b < e
}
