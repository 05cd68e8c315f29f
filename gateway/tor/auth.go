package tor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"tunic/gateway/onion"
	"tunic/gateway/untrusted"
)

// The files of client authorization (tor(1), "CLIENT AUTHORIZATION"): one for
// each visitor of an onion in its key directory, and one for each onion that
// this tor visits. tor reads them when it loads its configuration, and ignores
// files that it cannot use: an onion of which it can use none is for everybody.
const (
	clientsDir   = "authorized_clients"
	clientSuffix = ".auth"
	authDir      = "auth"
	authSuffix   = ".auth_private"
)

// checkKeys returns what is wrong with the keys of visitors and visits.
func (s Spec) checkKeys() (errs []error) {
	for _, o := range s.Onions {
		for _, k := range o.Clients {
			if parsed, err := onion.ParseClientKey(string(k)); err != nil || parsed != k {
				errs = append(errs, fmt.Errorf("checking onion %q: the key of a client is none (%w)",
					o.Name, errors.Join(err, onion.ErrClientKey)))
			}
		}
	}
	seen := make(map[onion.Address]bool)
	for _, a := range s.Auth {
		_, err := a.Key.Public()
		if parsed, addrErr := onion.Parse(string(a.Onion)); addrErr != nil || parsed != a.Onion {
			err = errors.Join(err, onion.ErrAddress)
		}
		if err != nil || seen[a.Onion] {
			errs = append(errs, fmt.Errorf("checking the keys for onions of others: one is wrong, or there twice: %w",
				errors.Join(err, onion.ErrClientKey)))
		}
		seen[a.Onion] = true
	}
	return errs
}

// checkMaps refuses addresses outside the virtual ranges: they would be
// somebody's.
func (s Spec) checkMaps() (errs []error) {
	seen := make(map[string]bool)
	for _, m := range s.Maps {
		_, err := onion.Parse(string(m.Onion))
		within := s.Virtual4.Contains(m.Virtual) || s.Virtual6.Contains(m.Virtual)
		if err != nil || !within || seen[m.Virtual.String()] {
			errs = append(errs, fmt.Errorf("checking the virtual address %v: it is taken, outside the ranges, or leads to no onion",
				m.Virtual))
		}
		seen[m.Virtual.String()] = true
	}
	return errs
}

func (s Spec) authPath() string { return filepath.Join(s.RunDir, authDir) }

func (s Spec) authLines() []string {
	if len(s.Auth) == 0 {
		return nil
	}
	return []string{"ClientOnionAuthDir " + s.authPath()}
}

func (s Spec) mapLines() (lines []string) {
	for _, m := range s.Maps {
		virtual := m.Virtual.String()
		if m.Virtual.Is6() {
			virtual = "[" + virtual + "]"
		}
		lines = append(lines, "MapAddress "+virtual+" "+m.Onion.Host())
	}
	return lines
}

// writeKeys makes the files of client authorization what s says, for tor to
// read at its next start or LOADCONF. Only those of onions that s does not name
// stay as they are.
func writeKeys(s Spec) error {
	for _, o := range s.Onions {
		files := make(map[string]string)
		for _, k := range o.Clients {
			files[string(k)+clientSuffix] = k.Line() + "\n"
		}
		if err := keepFiles(o.Dir, clientsDir, clientSuffix, files, s.UID, s.GID); err != nil {
			return fmt.Errorf("writing the keys of the clients of onion %q: %w", o.Name, err)
		}
		if err := keepFiles(filepath.Dir(o.Dir), filepath.Base(o.Dir), balanceFile, o.balanceFiles(), s.UID, s.GID); err != nil {
			return fmt.Errorf("writing for which address onion %q is balanced: %w", o.Name, err)
		}
	}
	files := make(map[string]string)
	for _, a := range s.Auth {
		files[string(a.Onion)+authSuffix] = a.Key.Line(a.Onion) + "\n"
	}
	if err := keepFiles(s.RunDir, authDir, authSuffix, files, s.UID, s.GID); err != nil {
		return fmt.Errorf("writing the keys for onions of others: %w", err)
	}
	return nil
}

// keepFiles makes parent/name a directory of uid's own that holds just these
// files with this suffix. If there are none to hold and no directory, it makes
// none, but for visitors: tor makes that directory itself for each onion, and ends if it
// cannot, as on a disk on which only root has room. parent belongs to uid, so links are not followed out of it.
func keepFiles(parent, name, suffix string, files map[string]string, uid, gid uint32) error {
	root, err := os.OpenRoot(parent)
	if err == nil {
		defer root.Close()
		if len(files) > 0 || name == clientsDir {
			err = ownRootDir(root, name, uid, gid)
		}
	}
	var dir *os.Root
	if err == nil {
		dir, err = untrusted.Tree{Root: root}.OpenRoot(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(files) == 0:
		return nil
	case err != nil:
		return err
	}
	defer dir.Close()
	old, err := fs.Glob(untrusted.Tree{Root: dir}, "*"+suffix)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(parent, name), err)
	}
	for _, file := range old {
		if _, wanted := files[file]; !wanted {
			err = errors.Join(err, dir.Remove(file))
		}
	}
	for file, text := range files {
		err = errors.Join(err, keepFile(dir, file, text, uid, gid))
	}
	return err
}

func ownRootDir(root *os.Root, name string, uid, gid uint32) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory: move it away", path.Join(root.Name(), name))
	}
	return errors.Join(root.Lchown(name, int(uid), int(gid)), root.Chmod(name, 0o700))
}

// keepFile writes a file for uid alone, by rename, unless it is there with
// that text.
func keepFile(dir *os.Root, name, text string, uid, gid uint32) error {
	if have, err := fs.ReadFile(untrusted.Tree{Root: dir}, name); err == nil && string(have) == text {
		return nil
	}
	tmp := name + ".new"
	if err := dir.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chown(int(uid), int(gid)), f.Close()); err != nil {
		return err
	}
	return dir.Rename(tmp, name)
}

// closer lists the onions of spec that somebody loses who could find them by
// old: their directories, which are what tor knows them by.
func closer(old, spec Spec) (dirs []string) {
	for _, o := range spec.Onions {
		i := slices.IndexFunc(old.Onions, func(b Onion) bool { return b.Dir == o.Dir })
		if i >= 0 && loses(old.Onions[i].Clients, o.Clients) {
			dirs = append(dirs, o.Dir)
		}
	}
	return dirs
}

// loses reports whether somebody is in the one list and not in the other.
func loses(before, after []onion.ClientKey) bool {
	if after == nil || before == nil {
		return after != nil
	}
	return slices.ContainsFunc(before, func(k onion.ClientKey) bool { return !slices.Contains(after, k) })
}

// gone lists the addresses of the onions of old that spec does not publish.
func gone(old, spec Spec) (addresses []string) {
	for _, o := range old.Onions {
		stays := slices.ContainsFunc(spec.Onions, func(n Onion) bool {
			return n.Address == o.Address && (n.Clients == nil || len(n.Clients) > 0)
		})
		if !stays && o.Address != "" {
			addresses = append(addresses, o.Address)
		}
	}
	return addresses
}

// without returns s without the onions in these directories.
func (s Spec) without(dirs []string) Spec {
	s = s.Clone()
	s.Onions = slices.DeleteFunc(s.Onions, func(o Onion) bool { return slices.Contains(dirs, o.Dir) })
	return s
}
