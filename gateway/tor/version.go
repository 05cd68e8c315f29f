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

// Versions that matter, by tor's ChangeLog.
var (
	// oldest is the first series that the network still carries: its authorities
	// have refused older relays since 0.4.9.12, and 0.4.9.15 says that "Tor
	// versions 0.4.8 and earlier will no longer work on the network".
	oldest = Version{0, 4, 9, 0}

	// mended has the fixes that a gateway depends on: a use after free with
	// AutomapHostsOnResolve (TROVE-2026-036) and the isolation of streams over
	// conflux (TROVE-2026-040) in 0.4.9.12, their isolation on circuits of
	// onions (TROVE-2026-053) in 0.4.9.13, and what was lost for each stream
	// to an onion's unix socket (41434) in 0.4.9.14.
	mended = Version{0, 4, 9, 14}

	// unknownPorts does what tor(1) says of HiddenServiceAllowUnknownPorts (41435);
	// before it, the option and its absence were exchanged.
	unknownPorts = Version{0, 4, 9, 14}
)

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
	return fmt.Sprintf("%s is tor %v, tunic needs %v or newer: install tor from deb.torproject.org or a newer release of the system",
		e.Binary, e.Have, oldest)
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

// Old says in words what the running tor lacks, and is "" if it lacks nothing that
// we know of, or none runs.
func (s Status) Old() string {
	v, err := parseVersion("Tor version " + s.Version)
	if !s.Running || err != nil || !v.Less(mended) {
		return ""
	}
	return fmt.Sprintf("tor %v lacks fixes that this box depends on (devices may share circuits, it loses memory, it may end): "+
		"%v or later has them", v, mended)
}

// FindVersion asks a tor binary (a path, or a name that is looked up on PATH)
// for its version. The error wraps ErrNoTor if it is not there, and is a
// *TooOldError if it is older than 0.4.9.
func FindVersion(ctx context.Context, binary string) (Version, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return Version{}, fmt.Errorf("%w: %q was not found: install the package tor (apt install tor, or opkg install tor)",
			ErrNoTor, binary)
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
