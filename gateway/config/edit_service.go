package config

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
)

// TOML is the text of the service's file.
func (s Service) TOML() string {
	var b strings.Builder
	if len(s.Command) > 0 {
		fmt.Fprintf(&b, "command = %s\n", textsTOML(s.Command))
	} else {
		fmt.Fprintf(&b, "target = %s\n", s.Target.toml())
	}
	fmt.Fprintf(&b, "friends = %s\n", textsTOML(s.Friends))
	if s.Port != 0 {
		fmt.Fprintf(&b, "port = %d\n", s.Port)
	}
	if n := s.Limits.AtOnce; n != defaultLimits.AtOnce {
		fmt.Fprintf(&b, "at-once = %d\n", n)
	}
	if d := s.Limits.Time; d != defaultLimits.Time {
		fmt.Fprintf(&b, "time = \"%s\"\n", d)
	}
	if n := s.Limits.Memory; n != defaultLimits.Memory {
		fmt.Fprintf(&b, "memory = %d\n", n>>20)
	}
	if n := s.Limits.Processes; n != defaultLimits.Processes {
		fmt.Fprintf(&b, "processes = %d\n", n)
	}
	return b.String()
}

func textsTOML(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = `"` + basicString.Replace(text) + `"`
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// NewService is a service with the limits that one has by default.
func NewService(name string) Service { return Service{Name: name, Limits: defaultLimits} }

// ParseServiceTarget reads "HOST:PORT" or "unix:/PATH", the forms of the command line.
func ParseServiceTarget(text string) (Target, error) {
	target, p := parseTarget(text)
	if p != nil {
		return target, Error{Key: text, Msg: p.msg, Hint: p.hint}
	}
	return target, nil
}

// WriteService makes the file of a service. After a power cut there is either the whole
// file or none. One that says the same already is left as it is; one that says something
// else is kept, and the error is ErrExists. Callers take turns, and Load afterwards.
func WriteService(p Paths, s Service) error {
	path, err := serviceFile(p, s.Name)
	if err != nil {
		return err
	}
	again, err := parseService(s.Name, path, []byte(s.TOML()))
	if err == nil && !reflect.DeepEqual(again, s) {
		err = errors.New("an argument has a character that this file cannot hold")
	}
	if err != nil {
		return fmt.Errorf("writing service %q: %w", s.Name, err)
	}
	old, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeFile(path, []byte(s.TOML()))
	case err != nil:
		return fmt.Errorf("reading the file of service %q: %w", s.Name, err)
	}
	if same, err := parseService(s.Name, path, old); err != nil || !reflect.DeepEqual(same, s) {
		return fmt.Errorf("writing service %q: %s %w with other settings", s.Name, path, ErrExists)
	}
	return nil
}

// RemoveService removes the file of a service. The error is fs.ErrNotExist if there is none.
func RemoveService(p Paths, name string) error {
	path, err := serviceFile(p, name)
	if err != nil {
		return err
	}
	err = removeFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noService(name)
	}
	if err != nil {
		return fmt.Errorf("removing the file of service %q: %w", name, err)
	}
	return nil
}

// noService is the error for a name that has no file; it is fs.ErrNotExist.
type noService string

func (n noService) Error() string        { return fmt.Sprintf("no service is called %q", string(n)) }
func (n noService) Is(target error) bool { return target == fs.ErrNotExist }

// ForgetServiceFriend takes a friend out of all services.
func ForgetServiceFriend(p Paths, friend string) error { return editServices(p, friend, "") }

// RenameServiceFriend gives a friend another name in all services.
func RenameServiceFriend(p Paths, from, to string) error { return editServices(p, from, to) }

// editServices changes the name of a friend in the files that have it; "" takes it out.
// Nothing else in them changes.
func editServices(p Paths, from, to string) error {
	paths, errs := listNamed(p.ServiceDir())
	if len(errs) > 0 {
		return errs
	}
	for _, path := range paths {
		text, err := readFile(path)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		s, err := parseService(stem(path), path, text)
		if err != nil {
			return err
		}
		i := slices.Index(s.Friends, from)
		if i < 0 {
			continue
		}
		changed, err := cutElement(string(text), "friends", i)
		if err == nil && to != "" {
			changed, err = addElement(changed, "friends", to)
		}
		if err == nil {
			_, err = parseService(s.Name, path, []byte(changed))
		}
		if err != nil {
			return changing(path, err)
		}
		if err := writeFile(path, []byte(changed)); err != nil {
			return err
		}
	}
	return nil
}

// parseService reads a service's file by itself, as Load does.
func parseService(name, path string, text []byte) (Service, error) {
	doc, t := parseDocument(path, text)
	s := readService(name, t)
	t.finish()
	if len(doc.errs) > 0 {
		return s, doc.errs
	}
	return s, nil
}

// serviceFile is the path of a service's file, for a name that is one.
func serviceFile(p Paths, name string) (string, error) {
	if err := CheckPetname(name); err != nil { // it has the same letters
		return "", err
	}
	return p.ServiceFile(name), nil
}
