package box

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tunic/gateway/durable"
	"tunic/gateway/health"
)

// StateVersion is how the state directory is laid out. It grows by one when an older
// tunic would misread what a newer one has written, and not when a file is added.
const StateVersion = 1

// versionFile has the version of the state directory that it is in, as a decimal
// number and a newline. A directory without it is of version 1.
const versionFile = "state-version"

// ErrNewerState is in the error of CheckVersion when a newer tunic has written the state.
var ErrNewerState = errors.New("the state was written by a newer tunic")

// CheckVersion refuses a state directory that a newer tunic has written, or whose
// version cannot be read. It changes nothing.
func CheckVersion(dir string) error {
	path := filepath.Join(dir, versionFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return Cannot(health.StateUnreadable, path, "reading the version of the state: %w", err)
	}
	have, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32)
	if err != nil {
		return Cannot(health.StateUnreadable, path, "reading the version of the state: %s does not hold a number", path)
	}
	if have > StateVersion {
		return Cannot(health.StateNewer, path, "%w: %s is of version %d, this one knows versions up to %d", ErrNewerState, dir, have,
			StateVersion)
	}
	return nil
}

// markVersion notes in the state directory that this version has it.
func markVersion(dir string) error {
	path := filepath.Join(dir, versionFile)
	want := strconv.Itoa(StateVersion) + "\n"
	if have, err := os.ReadFile(path); err == nil && string(have) == want {
		return nil
	}
	if err := durable.Write(path, []byte(want), 0o644); err != nil {
		return Cannot(writing(err, health.StateNotMade), path, "noting the version of the state: %w", err)
	}
	return nil
}
