package box

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// checkPassage makes sure that tor's user gets through to dir: tor keeps its own
// files below it, and says nothing of use when it cannot.
func checkPassage(dir string, who feature.IDs) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return Cannot(health.StateUnreadable, dir, "looking at the way to tor's files: %w", err)
		}
		if !enters(info, who) && !hasACL(dir) {
			return Cannot(health.TorShutOut, dir,
				"tor's user (%s) may not enter %s (mode %#o), and its files are below it: run `chmod o+x %s`, or have them elsewhere",
				config.TorUser, dir, info.Mode().Perm(), dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// enters reports whether the permissions of a directory let somebody pass who
// is in no other group (path_resolution(7)).
func enters(info fs.FileInfo, who feature.IDs) bool {
	st := info.Sys().(*syscall.Stat_t)
	bit := fs.FileMode(0o001)
	switch {
	case who.UID == 0:
		return true
	case st.Uid == who.UID:
		bit = 0o100
	case st.Gid == who.GID:
		bit = 0o010
	}
	return info.Mode().Perm()&bit != 0
}

// hasACL reports whether a directory has an access control list (acl(5)), by
// which anybody may get in.
func hasACL(dir string) bool {
	n, err := unix.Lgetxattr(dir, "system.posix_acl_access", nil)
	return err == nil && n > 0
}
