package relaytime

import (
	"bufio"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// Floor is the latest of the moments that are over for certain: the program's
// build, and the beginning of each consensus that tor keeps in one of the
// files (dir-spec, "valid-after"), which it kept only after it had checked the
// authorities' signatures. Files that are not there say nothing.
func Floor(built time.Time, consensuses ...string) time.Time {
	floor := built
	for _, path := range consensuses {
		if at := validAfter(path); at.After(floor) && at.Before(built.Add(horizon)) {
			floor = at
		}
	}
	return floor
}

// preamble is within how many bytes a consensus says when it begins.
const preamble = 4096

// validAfter is when a consensus begins, the zero time if it cannot be read. The directory is
// tor's: a pipe there is not waited for (fifo(7)).
func validAfter(path string) time.Time {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return time.Time{}
	}
	for lines := bufio.NewScanner(io.LimitReader(f, preamble)); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "valid-after "); ok {
			at, _ := time.Parse(time.DateTime, text) // the zero time where it cannot be read
			return at
		}
	}
	return time.Time{}
}
