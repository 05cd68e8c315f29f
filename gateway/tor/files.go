package tor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// prepare makes what tor needs to find when it starts: its two directories,
// which it refuses unless they are its own and nobody else's.
func prepare(s Spec) error {
	for _, dir := range []string{s.DataDir, s.RunDir} {
		if err := ownDir(dir, s.UID, s.GID); err != nil {
			return fmt.Errorf("preparing tor's directory: %w", err)
		}
	}
	if err := writeKeys(s); err != nil {
		return err
	}
	// Left by a process that was killed; tor would make them again, but not
	// before somebody could take the old ones for them.
	for _, path := range []string{s.controlSocket(), s.cookie(), s.Socks} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what an old tor left: %w", err)
		}
	}
	return nil
}

// ownDir makes sure that dir is a directory of mode 0700 that belongs to uid.
// Its parent belongs to the daemon, so nobody can exchange it meanwhile.
func ownDir(dir string, uid, gid uint32) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory: move it away", dir)
	}
	return errors.Join(os.Lchown(dir, int(uid), int(gid)), os.Chmod(dir, 0o700))
}

// defaultsFile is an empty file beside the torrc, given to tor as its second
// configuration file in the place of the system's /etc/tor/torrc-defaults.
func (s Spec) defaultsFile() string { return s.Torrc + ".defaults" }

// record says, for a later daemon, which process runs.
func (s Spec) record() string { return s.Torrc + ".pid" }

// writeTorrc puts text where s wants it, readable by tor's group: the owner's
// lines may name bridges, which are nobody else's business.
func writeTorrc(s Spec, path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the torrc: %w", err)
	}
	for _, file := range []struct{ path, text string }{{path, text}, {s.defaultsFile(), ""}} {
		if err := replaceFile(file.path, file.text, int(s.GID)); err != nil {
			return fmt.Errorf("writing the torrc: %w", err)
		}
	}
	return nil
}

// replaceFile writes a file by rename, so that a reader sees the old or the
// new text. It is not synced: it is written again at each start.
func replaceFile(path, text string, gid int) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chown(-1, gid), f.Chmod(0o640), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
