package account

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/durable"
)

// Errors of a Store.
var (
	ErrExists    = errors.New("the user exists already")
	ErrNoUser    = errors.New("there is no such user")
	ErrLastAdmin = errors.New("there would be no admin left")
)

// Store keeps accounts in a directory, a file each, for root alone. Its
// methods are for one process at a time.
type Store struct {
	Dir string
}

// file is a User as it is kept.
type file struct {
	Role     Role       `json:"role"`
	Until    *time.Time `json:"until,omitempty"`
	Password string     `json:"password"` // Record.Encode
}

const extension = ".json"

// Users returns all accounts, sorted by name. One that cannot be read is left
// out, and the error joins what is wrong with each.
func (s Store) Users() ([]User, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	var users []User
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if !ok || strings.HasPrefix(name, ".") {
			continue // what a power cut left of a write
		}
		u, err := s.read(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the account %s: %w", filepath.Join(s.Dir, e.Name()), err))
			continue
		}
		users = append(users, u)
	}
	return users, errors.Join(errs...)
}

func (s Store) read(name string) (User, error) {
	if err := CheckName(name); err != nil {
		return User{}, err
	}
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return User{}, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return User{}, errors.New("it is damaged: remove it and add the user again")
	}
	u := User{Name: name}
	if u.Role, err = ParseRole(string(f.Role)); err != nil {
		return User{}, err
	}
	if f.Until != nil {
		u.Until = *f.Until
	}
	u.Record, err = ParseRecord(f.Password)
	return u, err
}

// Add keeps a new account. The first one of a box must be an admin's.
func (s Store) Add(u User) error {
	users, err := s.Users()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(users, func(o User) bool { return o.Name == u.Name }) {
		return fmt.Errorf("adding %s: %w", u.Name, ErrExists)
	}
	return s.put(append(users, u), u)
}

// Change replaces what update changes in an account, and returns it. An error
// of update changes nothing.
func (s Store) Change(name string, update func(*User) error) (User, error) {
	users, i, err := s.find(name)
	if err != nil {
		return User{}, fmt.Errorf("changing %s: %w", name, err)
	}
	if err := update(&users[i]); err != nil {
		return User{}, err
	}
	return users[i], s.put(users, users[i])
}

// Remove takes an account away. What the user has, such as mail, is not here.
func (s Store) Remove(name string) error {
	users, i, err := s.find(name)
	if err != nil {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	if !haveAdmin(slices.Delete(users, i, i+1)) {
		return fmt.Errorf("removing %s: %w", name, ErrLastAdmin)
	}
	return s.drop(name)
}

// Expire takes the accounts of guests away whose time is over, and returns the
// others. It is for good: a clock that is set back brings none of them again.
func (s Store) Expire(now time.Time) ([]User, error) {
	users, err := s.Users()
	left := users[:0]
	for _, u := range users {
		if u.expired(now) {
			err = errors.Join(err, s.drop(u.Name))
			continue
		}
		left = append(left, u)
	}
	return left, err
}

// Secret returns what is random for this box and stays: see Book.
func (s Store) Secret() (string, error) {
	secret, err := s.ReadSecret()
	if errors.Is(err, fs.ErrNotExist) {
		secret = rand.Text()
		err = s.write("secret", []byte(secret))
	}
	if err != nil {
		return "", fmt.Errorf("preparing the accounts: %w", err)
	}
	return secret, nil
}

// ReadSecret is Secret where nothing may be written: the error is fs.ErrNotExist
// if there is none yet.
func (s Store) ReadSecret() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, "secret"))
	return string(text), err
}

func (s Store) find(name string) ([]User, int, error) {
	users, err := s.Users()
	i := slices.IndexFunc(users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return nil, 0, errors.Join(ErrNoUser, err)
	}
	return users, i, nil
}

// Admins are the names of those who run the box's servers.
func Admins(users []User) (names []string) {
	for _, u := range users {
		if u.Role == Admin {
			names = append(names, u.Name)
		}
	}
	return names
}

// haveAdmin reports whether somebody answers for the box, if anybody is there.
func haveAdmin(users []User) bool {
	return len(users) == 0 || slices.ContainsFunc(users, func(u User) bool { return u.Role == Admin })
}

// put writes one of users, if they are right together.
func (s Store) put(users []User, u User) error {
	if err := CheckName(u.Name); err != nil {
		return err
	}
	if !haveAdmin(users) {
		return ErrLastAdmin
	}
	f := file{Role: u.Role, Password: u.Record.Encode()}
	if u.Role == Guest {
		f.Until = &u.Until
	}
	text, err := json.Marshal(f)
	if err == nil {
		err = s.write(u.Name+extension, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing the account of %s: %w", u.Name, err)
	}
	return nil
}

func (s Store) drop(name string) error {
	if err := durable.Remove(s.path(name)); err != nil {
		return fmt.Errorf("removing the account of %s: %w", name, err)
	}
	return nil
}

func (s Store) path(name string) string { return filepath.Join(s.Dir, name+extension) }

// write keeps a file for root alone.
func (s Store) write(name string, text []byte) error {
	err := durable.MkdirAll(filepath.Dir(s.Dir), 0o755) // tor's user passes through it
	if err == nil {
		err = durable.MkdirAll(s.Dir, 0o700)
	}
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(s.Dir, name), text, 0o600)
}
