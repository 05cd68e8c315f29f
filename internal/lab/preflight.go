package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
)

// preflight finds everything that would make Up fail half-way, all at once.
func preflight(l *Lab, o Options) error {
	if os.Geteuid() != 0 {
		return errors.New("checking the machine: the lab makes network namespaces, which needs root: run it with sudo")
	}
	return errors.Join(checkTools(o), checkUsers(), checkDirectory(l.dir), checkPaths(l))
}

func checkTools(o Options) error {
	var errs []error
	for tool, pkg := range map[string]string{
		"ip": "iproute2", "sysctl": "procps", "tcpdump": "tcpdump", "tor": "tor", "tor-gencert": "tor"} {
		if _, err := exec.LookPath(tool); err != nil {
			errs = append(errs, fmt.Errorf("finding %s: %w: install the package %s", tool, err, pkg))
		}
	}
	tools := []string{"tunic-lab"}
	if len(o.Daemons) > 0 {
		tools = append(tools, "tunic")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(filepath.Join(o.BinDir, tool)); err != nil {
			errs = append(errs, fmt.Errorf("finding %s beside this program: %w: run `make build`", tool, err))
		}
	}
	return errors.Join(errs...)
}

func checkUsers() error {
	var missing []string
	for _, name := range []string{config.TorUser, config.ServeUser} {
		if _, err := user.Lookup(name); err != nil {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("finding the system users %s: they do not exist: run `make users`, or for each of them "+
		"`useradd --system --no-create-home --shell /usr/sbin/nologin NAME`", strings.Join(missing, " and "))
}

// checkDirectory refuses memory-backed directories, which tunic would refuse
// later, with the whole lab already up.
func checkDirectory(dir string) error {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	for existing := dir; err == unix.ENOENT && existing != "/"; { // it is made later, by Up
		existing = filepath.Dir(existing)
		err = unix.Statfs(existing, &fs)
	}
	if err != nil {
		return fmt.Errorf("checking the lab's directory %s: %w", dir, err)
	}
	if kind := uint32(fs.Type); kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC { // its size and sign differ by machine
		return fmt.Errorf("checking the lab's directory %s: it is in memory, and tunic keeps keys only on a disk", dir)
	}
	return nil
}

// maxSocketPath is what a unix socket's address holds without its final NUL
// (unix(7)).
const maxSocketPath = 107

// longestOnion is the longest name that an onion may have.
var longestOnion = strings.Repeat("n", 30)

func checkPaths(l *Lab) error {
	for _, gateway := range l.plan.Gateways() {
		if path := config.NewPaths(l.Root(gateway)).Front(longestOnion); len(path) > maxSocketPath {
			return fmt.Errorf("checking the lab's directory %s: socket paths below it would have %d bytes, more than %d",
				l.dir, len(path), maxSocketPath)
		}
	}
	return nil
}
