package account

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func names(users []User) string {
	var list []string
	for _, u := range users {
		list = append(list, u.Name+":"+string(u.Role))
	}
	return strings.Join(list, " ")
}

func newStore(t *testing.T, users ...User) Store {
	t.Helper()
	s := Store{Dir: filepath.Join(t.TempDir(), "accounts")}
	for _, u := range users {
		u.Record = fixed(t, "tall order of chips")
		if err := s.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestStore(t *testing.T) {
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newStore(t, User{Name: "bob", Role: Admin}, User{Name: "eve", Role: Member}, User{Name: "ann", Role: Guest, Until: until})
	users, err := s.Users()
	if err != nil || names(users) != "ann:guest bob:admin eve:member" || !users[0].Until.Equal(until) || !users[1].Until.IsZero() {
		t.Fatalf("%v, %v", users, err)
	}
	if !users[1].Record.Check("tall order of chips") {
		t.Error("the password is not what it was")
	}
	for path, mode := range map[string]os.FileMode{s.Dir: 0o700, s.path("bob"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	one, err := s.Secret()
	if two, again := s.Secret(); err != nil || again != nil || one != two || len(one) < 26 {
		t.Errorf("the secret is %q and then %q", one, two)
	}
	other := fixed(t, "another order of chips")
	u, err := s.Change("eve", func(u *User) error { u.Record = other; return nil })
	if err != nil || u.Record != other {
		t.Errorf("%v, %v", u, err)
	}
	if again, err := s.read("eve"); err != nil || again.Record != other || again.Role != Member {
		t.Errorf("%v, %v", again, err)
	}
	if err := s.Remove("eve"); err != nil {
		t.Error(err)
	}
	if users, err := s.Users(); err != nil || names(users) != "ann:guest bob:admin" {
		t.Errorf("%v, %v", users, err)
	}
}

func TestStoreRefuses(t *testing.T) {
	s := newStore(t)
	if err := s.Add(User{Name: "eve", Role: Member}); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("a first member: %v", err)
	}
	s = newStore(t, User{Name: "bob", Role: Admin}, User{Name: "eve", Role: Member})
	for what, c := range map[string]struct{ got, want error }{
		"a second bob":             {s.Add(User{Name: "bob", Role: Member}), ErrExists},
		"removing the last admin":  {s.Remove("bob"), ErrLastAdmin},
		"removing nobody":          {s.Remove("nobody"), ErrNoUser},
		"removing what is no name": {s.Remove("../accounts/bob"), ErrNoUser},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if _, err := s.Change("bob", func(u *User) error { u.Role = Member; return nil }); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("the last admin becomes a member: %v", err)
	}
	if err := s.Add(User{Name: "postmaster", Role: Member}); err == nil {
		t.Error("a user is called postmaster")
	}
	if users, _ := s.Users(); names(users) != "bob:admin eve:member" {
		t.Errorf("%v", users)
	}
}

func TestGuestsExpireForGood(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newStore(t, User{Name: "bob", Role: Admin}, User{Name: "old", Role: Guest, Until: now},
		User{Name: "new", Role: Guest, Until: now.Add(time.Second)})
	for range 2 {
		if users, err := s.Expire(now); err != nil || names(users) != "bob:admin new:guest" {
			t.Fatalf("%v, %v", users, err)
		}
	}
	if users, _ := s.Expire(now.Add(-time.Hour)); names(users) != "bob:admin new:guest" {
		t.Errorf("with the clock set back: %v", users)
	}
}

// One damaged file costs one account, and what a power cut left costs none.
func TestDamage(t *testing.T) {
	s := newStore(t, User{Name: "bob", Role: Admin}, User{Name: "eve", Role: Member})
	for name, text := range map[string]string{"eve.json": "{", ".new-123": "{", "max.json": `{"role":"king","password":"x"}`,
		"Ada.json": "{}"} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	users, err := s.Users()
	if names(users) != "bob:admin" || err == nil {
		t.Fatalf("%v, %v", users, err)
	}
	for _, want := range []string{"eve.json", "max.json", "Ada.json"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if err := s.Add(User{Name: "new", Role: Member, Record: fixed(t, "tall order of chips")}); err == nil {
		t.Error("an account is added although others cannot be read")
	}
}

func TestFailedWriteKeepsTheOld(t *testing.T) {
	s := newStore(t, User{Name: "bob", Role: Admin})
	dir := s.Dir
	s.Dir = filepath.Join(dir, "bob.json") // a file where the directory should be
	if err := s.put(nil, User{Name: "bob", Role: Admin}); err == nil {
		t.Error("writing into a file works")
	}
	s.Dir = dir
	if users, err := s.Users(); err != nil || names(users) != "bob:admin" {
		t.Errorf("%v, %v", users, err)
	}
}
