package managed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MissingError says that a server's program is not on this box.
type MissingError struct{ Name, Program, Package string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not on this box: install the package %[2]s (apt install %[2]s)", e.Program, e.Package)
}

// VersionError says that a program is there, but too old for any configuration
// that is generated.
type VersionError struct{ Name, Package, Found, From string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s is of version %s, and tunic needs %s or later: install a newer package %s", e.Name, e.Found, e.From, e.Package)
}

// sbin is where servers are that are not on everybody's PATH.
const sbin = "/usr/sbin/"

// Locate looks the program and its parts up. The error is a *MissingError.
func (s Spec) Locate() (path string, err error) {
	path, err = exec.LookPath(s.Program)
	if err != nil && !strings.Contains(s.Program, "/") {
		path, err = exec.LookPath(sbin + s.Program)
	}
	if err != nil {
		return "", &MissingError{s.Name, s.Program, s.Package}
	}
	for _, part := range s.Parts {
		if _, err := os.Stat(part); err != nil {
			return "", &MissingError{s.Name, part, s.Package}
		}
	}
	return path, nil
}

// find looks the program up and checks its version.
func (s Spec) find(ctx context.Context) (path, version string, err error) {
	if path, err = s.Locate(); err != nil {
		return "", "", err
	}
	asked := path
	if s.Version.Program != "" {
		if asked, err = exec.LookPath(s.Version.Program); err != nil {
			return "", "", &MissingError{s.Name, s.Version.Program, s.Package}
		}
	}
	version, err = s.version(ctx, asked)
	return path, version, err
}

// versionTime is plenty for a program to say who it is.
const versionTime = 20 * time.Second

// number is a version. Some servers count whole numbers, "ngIRCd 27-IDENT+IPv6", and some
// have one in their name, "i2pd version 2.45.1".
var number = regexp.MustCompile(`(?:\bv|\b)(\d+(?:\.\d+)*)`)

// versionIn is the version that a program names, "" if it names none.
func versionIn(text string) string {
	if m := number.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// version asks the program, as the user that it will run as.
func (s Spec) version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, s.Version.Args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin", "TZ=UTC"}
	cmd.SysProcAttr = s.credential()
	out, err := cmd.CombinedOutput()
	found := versionIn(string(out))
	if found == "" {
		return "", fmt.Errorf("asking %s for its version: %w", s.Name, errors.Join(err, errors.New("it names none")))
	}
	if less(found, s.Version.From) {
		return found, &VersionError{s.Name, s.Package, found, s.Version.From}
	}
	return found, nil
}

// untried reports whether a version is newer than those that the configuration
// was tried with.
func (v Versions) untried(found string) bool {
	return v.Below != "" && found != "" && !less(found, v.Below)
}

// stamps say which files a program and its parts are, so that another look is
// taken only when one of them has changed. It starts nothing.
func (s Spec) stamps() string {
	var b strings.Builder
	for _, path := range append([]string{s.Program, sbin + s.Program, s.Version.Program}, s.Parts...) {
		if found, err := exec.LookPath(path); err == nil {
			path = found
		}
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// credential is the server's user; a daemon that is not root, as in tests, can
// only run servers as itself.
func (s Spec) credential() *syscall.SysProcAttr {
	if !s.setUser() {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.UID, Gid: s.GID}}
}

// less compares versions number by number; a missing one is 0.
func less(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		x, y := part(as, i), part(bs, i)
		if x != y {
			return x < y
		}
	}
	return false
}

func part(numbers []string, i int) int {
	if i >= len(numbers) {
		return 0
	}
	n, _ := strconv.Atoi(numbers[i]) // digits, by number
	return n
}
