package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/durable"
)

// second is the second factor of one user, as it is kept.
type second struct {
	Secret string `json:"secret"`
	Step   int64  `json:"step"` // of the last code that was used
	Of     string `json:"of"`   // the password that it belongs to; see passwordOf
}

// String hides the secret from logs.
func (second) String() string   { return "(a second factor)" }
func (second) GoString() string { return "(a second factor)" }

// seconds are those of all users, in one file for root alone. One belongs to a
// password: whoever is given another one by root enrols again.
type seconds struct {
	file string
	all  map[string]second
}

// passwordOf tells a password from the one before, and nothing about it.
func passwordOf(r account.Record) string {
	sum := sha256.Sum256([]byte(r.Salt))
	return hex.EncodeToString(sum[:8])
}

func (s *seconds) load() error {
	if s.all != nil {
		return nil
	}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		s.all = make(map[string]second)
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.all)
	}
	if err != nil {
		s.all = nil // fail closed: nobody enrols over one that cannot be read
		return fmt.Errorf("reading the second factors: %w", err)
	}
	return nil
}

func (s *seconds) put(user string, f second) error {
	if err := s.load(); err != nil {
		return err
	}
	old, had := s.all[user]
	s.all[user] = f
	text, err := json.Marshal(s.all)
	if err == nil {
		err = durable.MkdirAll(filepath.Dir(s.file), 0o700)
	}
	if err == nil {
		err = durable.Write(s.file, append(text, '\n'), 0o600)
	}
	if err != nil {
		if delete(s.all, user); had {
			s.all[user] = old
		}
		return fmt.Errorf("keeping a second factor: %w", err)
	}
	return nil
}

// has reports whether a user has enrolled with the password that is theirs now.
func (s *seconds) has(u account.User) (bool, error) {
	err := s.load()
	f, ok := s.all[u.Name]
	return ok && f.Of == passwordOf(u.Record), err
}

// check takes a code once. The error says that it could not be noted.
func (s *seconds) check(u account.User, code string, now time.Time) (bool, error) {
	if has, err := s.has(u); !has || err != nil {
		return false, err
	}
	f := s.all[u.Name]
	step, ok := stepOf(f.Secret, code, now, f.Step)
	if !ok {
		return false, nil
	}
	f.Step = step
	return true, s.put(u.Name, f)
}
