package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// maxFileSize bounds what is read of one file. The longest that makes sense is
// a torrc snippet with some hundred bridge lines.
const maxFileSize = 1 << 20

// namePattern is what the name of a device, an onion or an endpoint looks like.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,29}$`)

const nameHint = "a name is 1 to 30 lower-case letters, digits and hyphens, and begins with a letter or digit"

// backupSuffixes end the names of files that editors and package managers
// leave beside the one that counts.
var backupSuffixes = []string{"~", ".swp", ".bak", ".orig", ".rej", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".ucf-old",
	".ucf-dist", "-opkg", ".undone", OffSuffix}

// OffSuffix ends the name of the file of a server that was switched off, and may be
// switched on again as it was.
const OffSuffix = ".off"

// isBackup reports whether a file is nobody's configuration.
func isBackup(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") ||
		slices.ContainsFunc(backupSuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

// listFiles returns the paths of the files in dir whose names end in ext,
// sorted. A directory that does not exist is empty. Files that are neither
// these nor backups are mistakes: someone believes that they count.
func listFiles(dir, ext string) ([]string, Errors) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var errs Errors
	if err != nil {
		errs = append(errs, Error{File: dir, Msg: "cannot be read: " + reason(err)})
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case isBackup(e.Name()):
		case filepath.Ext(e.Name()) == ext:
			paths = append(paths, path)
		default:
			errs = append(errs, Error{File: path, Msg: fmt.Sprintf("only files called NAME%s belong here", ext),
				Hint: "rename it, or append .bak to have it ignored"})
		}
	}
	return paths, errs
}

// listNamed is listFiles for files whose names are the names of things.
func listNamed(dir string) ([]string, Errors) {
	paths, errs := listFiles(dir, ".toml")
	var named []string
	for _, path := range paths {
		if p := checkName(stem(path)); p != nil {
			errs = append(errs, Error{File: path, Msg: p.msg, Hint: p.hint})
			continue
		}
		named = append(named, path)
	}
	return named, errs
}

// stem is the name of the thing that a file describes.
func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), ".toml") }

func checkName(name string) *problem {
	switch {
	case namePattern.MatchString(name):
		return nil
	case namePattern.MatchString(strings.ToLower(name)):
		return problemf(fmt.Sprintf("call it %q", strings.ToLower(name)), "the name %q has upper-case letters", name)
	default:
		return problemf(nameHint, "%q is not a valid name", name)
	}
}

// readFile returns the text of a configuration file, and refuses anything but a regular
// one. There may be a thousand of them, so it asks the kernel no more than it has to.
func readFile(path string) ([]byte, error) {
	fd, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	var info syscall.Stat_t
	switch err := syscall.Fstat(fd, &info); {
	case err != nil:
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	case info.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return nil, errNotRegular
	}
	text := make([]byte, 0, min(max(info.Size, 0), maxFileSize)+1)
	for {
		n, err := syscall.Read(fd, text[len(text):cap(text)])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return text, nil
		case n < cap(text)-len(text) && int64(len(text)+n) >= info.Size: // that was its end (read(2))
			return text[:len(text)+n], nil
		}
		if text = text[:len(text)+n]; len(text) > maxFileSize {
			return nil, fmt.Errorf("larger than %d bytes", maxFileSize)
		}
		if len(text) == cap(text) { // it grows
			text = slices.Grow(text, min(len(text), maxFileSize+1-len(text)))
		}
	}
}

var errNotRegular = errors.New("not a regular file")

// openFile opens a file to be read. Of a pipe it waits for no writer.
func openFile(path string) (fd int, err error) {
	for {
		fd, err = syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ENXIO): // a socket
			return -1, errNotRegular
		case err != nil:
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return fd, nil
	}
}

// reason is an error's text without the path, which the reader has already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}
