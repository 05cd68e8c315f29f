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
	return fmt.Sprintf("%s is not on this box: install the package %s", e.Program, e.Package)
}

// VersionError says that a program is there, but not one that the generated
// configuration is for.
type VersionError struct {
	Name, Found string
	Wanted      Versions
}

func (e *VersionError) Error() string {
	want := e.Wanted.From + " or later"
	if e.Wanted.Below != "" {
		want = fmt.Sprintf("from %s to before %s", e.Wanted.From, e.Wanted.Below)
	}
	return fmt.Sprintf("%s is of version %s; tunic's configuration is for one %s", e.Name, e.Found, want)
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

// number is a version: two numbers and perhaps more.
var number = regexp.MustCompile(`\d+(\.\d+)+`)

// version asks the program, as the user that it will run as.
func (s Spec) version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, s.Version.Args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = s.credential()
	out, err := cmd.CombinedOutput()
	found := number.FindString(string(out))
	if found == "" {
		return "", fmt.Errorf("asking %s for its version: %w", s.Name, errors.Join(err, errors.New("it names none")))
	}
	if less(found, s.Version.From) || s.Version.Below != "" && !less(found, s.Version.Below) {
		return found, &VersionError{s.Name, found, s.Version}
	}
	return found, nil
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
