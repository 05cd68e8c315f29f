package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrExists is in the error of WriteOnion for an onion that has another file.
var ErrExists = errors.New("already exists")

// TOML is the text of the onion's file.
func (o Onion) TOML() string {
	var b strings.Builder
	if o.Public {
		b.WriteString("public = true\n\n")
	}
	if o.Fast {
		b.WriteString("anonymous = false # relays know where this box is\n\n")
	}
	if o.Balance != "" {
		fmt.Fprintf(&b, "balance = \"%s.onion\"\n\n", o.Balance)
	}
	if o.Certificates != "" {
		fmt.Fprintf(&b, "certificates = \"%s\"\n\n", basicString.Replace(o.Certificates))
	}
	if o.As != "" {
		fmt.Fprintf(&b, "as = \"%s\"\n\n", basicString.Replace(o.As))
	}
	b.WriteString(clientsTOML(o))
	b.WriteString("[ports]\n")
	for _, p := range o.Ports {
		fmt.Fprintf(&b, "%d = %s\n", p.Virtual, p.Target.toml())
	}
	return b.String()
}

// basicString escapes for a TOML basic string. Targets hold no control
// characters, so this is all it takes.
var basicString = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// WriteOnion makes the file of an onion. After a power cut there is either the
// whole file or none. A file that says the same already is left as it is, with
// its comments; one that says something else is kept, and the error is
// ErrExists. Callers take turns, and Load afterwards: it says whether the rest of
// the configuration agrees with the onion.
func WriteOnion(p Paths, o Onion) error {
	path, err := onionFile(p, o.Name)
	if err != nil {
		return err
	}
	o.Ports = slices.SortedFunc(slices.Values(o.Ports), func(a, b Port) int { return cmp.Compare(a.Virtual, b.Virtual) })
	text := []byte(o.TOML())
	if _, err := parseOnion(o.Name, path, text); err != nil {
		return fmt.Errorf("writing onion %q: %w", o.Name, err)
	}
	old, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeFile(path, text)
	case err != nil:
		return fmt.Errorf("reading the file of onion %q: %w", o.Name, err)
	}
	same, err := parseOnion(o.Name, path, old)
	if err != nil || same.Public != o.Public || same.As != o.As || !slices.Equal(same.Ports, o.Ports) || same.Private != o.Private ||
		same.Fast != o.Fast || same.Balance != o.Balance || same.Certificates != o.Certificates || !slices.Equal(same.Clients, o.Clients) {
		return fmt.Errorf("writing onion %q: %s %w with other settings", o.Name, path, ErrExists)
	}
	return nil
}

// parseOnion reads an onion's file by itself, as Load does.
func parseOnion(name, path string, text []byte) (Onion, error) {
	doc, t := parseDocument(path, text)
	o := readOnion(name, t)
	t.finish()
	if len(doc.errs) > 0 {
		return o, doc.errs
	}
	return o, nil
}

// RemoveOnion removes the file of an onion. The error is fs.ErrNotExist if there
// is none. The keys are not touched.
func RemoveOnion(p Paths, name string) error {
	path, err := onionFile(p, name)
	if err != nil {
		return err
	}
	err = removeFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noOnion(name)
	}
	if err != nil {
		return fmt.Errorf("removing the file of onion %q: %w", name, err)
	}
	return nil
}

// noOnion is the error for a name that has no file; it is fs.ErrNotExist.
type noOnion string

func (n noOnion) Error() string        { return fmt.Sprintf("no onion is called %q", string(n)) }
func (n noOnion) Is(target error) bool { return target == fs.ErrNotExist }

// CheckName says what is wrong with the name of an onion, a device or a peer.
func CheckName(name string) error {
	if bad := checkName(name); bad != nil {
		return Error{Msg: bad.msg, Hint: bad.hint}
	}
	return nil
}

// onionFile is the path of an onion's file, for a name that is one.
func onionFile(p Paths, name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	return p.OnionFile(name), nil
}

// writeFile writes the whole file or nothing, for all to read. The directory
// is made if need be. What is left after a power cut begins with a dot, so
// that Load ignores it.
func writeFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("making the directory for %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// makeDir makes a directory of the configuration, whatever the umask is: for
// nobody else to read, as it tells who the friends are and what devices there are.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(dir, 0o700)
	}
	return errors.Join(err, os.Chmod(dir, 0o700), syncDir(filepath.Dir(dir)))
}

// syncDir makes a change of names in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
