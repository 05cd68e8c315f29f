package tor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Version is the version of a tor binary: 0.4.9.11 is {0, 4, 9, 11}.
type Version [4]int

// oldest is the first series with the options that tunic writes and the
// defences that the network expects of a client today (conflux, onion
// services with proof of work); older ones are out of support.
var oldest = Version{0, 4, 8, 0}

// versionWait bounds `tor --version`.
const versionWait = 20 * time.Second

// ErrNoTor is wrapped by the error for a binary that is not there.
var ErrNoTor = errors.New("tor is not installed")

// TooOldError is the error for a tor that tunic cannot use.
type TooOldError struct {
	Binary string
	Have   Version
}

func (e *TooOldError) Error() string {
	return fmt.Sprintf("%s is tor %v, tunic needs %v or newer: install tor from deb.torproject.org or a newer release of the system", e.Binary, e.Have, oldest)
}

func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3])
}

// Less reports whether v is older than other.
func (v Version) Less(other Version) bool {
	for i := range v {
		if v[i] != other[i] {
			return v[i] < other[i]
		}
	}
	return false
}

// FindVersion asks a tor binary (a path, or a name that is looked up on PATH)
// for its version. The error wraps ErrNoTor if it is not there, and is a
// *TooOldError if it is older than 0.4.8.
func FindVersion(ctx context.Context, binary string) (Version, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return Version{}, fmt.Errorf("%w: %q was not found: install the package tor (apt install tor, or opkg install tor)", ErrNoTor, binary)
	}
	ctx, cancel := context.WithTimeout(ctx, versionWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{} // nothing of the daemon's
	text, err := cmd.Output()
	if err != nil {
		return Version{}, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	v, err := parseVersion(string(text))
	if err != nil {
		return Version{}, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	if v.Less(oldest) {
		return v, &TooOldError{Binary: path, Have: v}
	}
	return v, nil
}

// parseVersion reads "Tor version 0.4.9.11." or "Tor version 0.4.9.1-alpha
// (git-0123456789abcdef).": the first line of `tor --version`.
func parseVersion(text string) (Version, error) {
	first, _, _ := strings.Cut(text, "\n")
	rest, found := strings.CutPrefix(first, "Tor version ")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return Version{}, fmt.Errorf("the answer %.80q is not tor's", first)
	}
	number, _, _ := strings.Cut(fields[0], "-")
	parts := strings.Split(strings.TrimSuffix(number, "."), ".")
	var v Version
	if len(parts) != len(v) {
		return Version{}, fmt.Errorf("the version %.80q has not four numbers", fields[0])
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return Version{}, fmt.Errorf("the version %.80q has not four numbers", fields[0])
		}
		v[i] = int(n)
	}
	return v, nil
}
