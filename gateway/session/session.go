// Package session knows who is logged in to the box's own page: it checks passwords
// and codes, issues tokens, and says to whom a token belongs.
//
// It runs in the parent. Who asks is serve, which strangers and devices speak with: a
// token is all that serve can show, and it is good for what its user may.
package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tunic/gateway/account"
	"tunic/gateway/durable"
)

// Errors of a Keeper. Whoever fails learns no more than these.
var (
	ErrLogin = errors.New("the name, the password or the code is wrong")
	ErrSlow  = errors.New("too many attempts: try again in ten minutes")
	ErrBusy  = errors.New("many are logging in now: try again in a minute")
	ErrGone  = errors.New("this log-in is over")
)

// Bounds of what is remembered, and for how long.
const (
	maxSessions = 64
	maxPerUser  = 8
	longest     = 12 * time.Hour
	idle        = time.Hour
	enrolTime   = 10 * time.Minute
	maxWord     = 128 // of a name, a password, a code or a device
)

// Checking a password costs a small box a tenth of a second: so many at once, and then
// one in so much time, whoever asks.
const (
	checksAtOnce = 20
	checkEvery   = 2 * time.Second
)

// Who is a user who is logged in.
type Who struct {
	Name string
	Role account.Role
}

// Login is what somebody shows to be let in. It hides from logs.
type Login struct {
	Device   string // whose attempts are counted together
	Name     string
	Password string
	Code     string // of admins
}

func (l Login) String() string   { return "(a log-in)" }
func (l Login) GoString() string { return l.String() }

// Pass is what somebody gets. It hides from logs.
type Pass struct {
	Token string
	Who
	Secret string // of codes, for an admin who has to enrol before anything else; "" for all others
}

func (p Pass) String() string   { return "(a pass)" }
func (p Pass) GoString() string { return p.String() }

// Keeper knows who is logged in. It is for any number of goroutines.
type Keeper struct {
	Users func() (users []account.User, secret string) // who may log in now; secret is that of account.NewBook
	Now   func() time.Time

	mu       sync.Mutex
	open     map[[sha256.Size]byte]*session
	throttle account.Throttle
	checks   *rate.Limiter
	seconds  seconds
}

// session is one log-in. The parent keeps no token, only its hash.
type session struct {
	user     string
	role     account.Role // that was proved; a higher one has to be proved too
	password string       // passwordOf: another one ends it
	begun    time.Time
	used     time.Time
	secret   string // of an admin who has to enrol
}

// New returns a Keeper that keeps second factors, and which devices have logged in
// before, in a directory for root alone. The error says what could not be read: those
// devices are forgotten then.
func New(dir string, users func() ([]account.User, string), now func() time.Time) (*Keeper, error) {
	k := &Keeper{Users: users, Now: now, open: make(map[[sha256.Size]byte]*session),
		checks:  rate.NewLimiter(rate.Every(checkEvery), checksAtOnce),
		seconds: seconds{file: filepath.Join(dir, "second.json")}}
	if err := k.throttle.Load(filepath.Join(dir, "devices.json")); err != nil {
		return k, fmt.Errorf("reading which devices have logged in: %w", err)
	}
	return k, nil
}

// Login lets a member in by password and an admin by password and code. An admin
// without a second factor gets a pass that is good for Enrol alone. Guests have chat,
// and no page.
func (k *Keeper) Login(l Login) (Pass, error) {
	for _, word := range []string{l.Device, l.Name, l.Password, l.Code} {
		if len(word) > maxWord {
			return Pass{}, ErrLogin
		}
	}
	if k.throttle.Check(l.Device) != nil {
		return Pass{}, ErrSlow
	}
	users, secret := k.Users()
	book := account.NewBook(secret, users)
	claimed := account.LoginName(l.Name)
	if _, known := book.User(claimed); !known {
		claimed = "nobody" // which no user can be called: all that do not exist are counted as one
	}
	if k.throttle.CheckAccount(claimed, l.Device) != nil {
		return Pass{}, ErrSlow
	}
	if !k.checks.AllowN(k.Now(), 1) {
		return Pass{}, ErrBusy
	}
	name, ok := book.Login(l.Name, l.Password)
	u, _ := book.User(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	pass, err := Pass{}, ErrLogin
	if ok {
		pass, err = k.admit(u, l.Code)
	}
	if err != nil {
		k.throttle.Fail(l.Device)
		k.throttle.FailAccount(claimed)
		return Pass{}, err
	}
	k.remember(name, l.Device)
	return pass, nil
}

// remember notes that a device knows a password. Without that others who guess can slow
// it down, and nothing else.
func (k *Keeper) remember(user, device string) {
	if durable.MkdirAll(filepath.Dir(k.seconds.file), 0o700) == nil {
		_ = k.throttle.Enter(user, device)
	}
}

// admit looks at the role of somebody who knows the password. k.mu is held.
func (k *Keeper) admit(u account.User, code string) (Pass, error) {
	switch u.Role {
	case account.Member:
		return k.issue(u, ""), nil
	case account.Admin:
	default:
		return Pass{}, ErrLogin
	}
	enrolled, err := k.seconds.has(u)
	if err != nil {
		return Pass{}, err
	}
	if !enrolled {
		return k.issue(u, newSecret()), nil
	}
	switch ok, err := k.seconds.check(u, code, k.Now()); {
	case err != nil:
		return Pass{}, err
	case !ok:
		return Pass{}, ErrLogin
	}
	return k.issue(u, ""), nil
}

// issue makes a session, and room for it. k.mu is held.
func (k *Keeper) issue(u account.User, secret string) Pass {
	k.sweep()
	k.makeRoom(u.Name)
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	now := k.Now()
	k.open[sha256.Sum256([]byte(token))] = &session{user: u.Name, role: u.Role, password: passwordOf(u.Record),
		begun: now, used: now, secret: secret}
	return Pass{Token: token, Who: Who{u.Name, u.Role}, Secret: secret}
}

// makeRoom ends the session of a user's, or of all, that was used least lately.
func (k *Keeper) makeRoom(user string) {
	oldest := func(of func(*session) bool) (n int, key [sha256.Size]byte) {
		for id, s := range k.open {
			if !of(s) {
				continue
			}
			if n++; n == 1 || s.used.Before(k.open[key].used) {
				key = id
			}
		}
		return n, key
	}
	if n, key := oldest(func(s *session) bool { return s.user == user }); n >= maxPerUser {
		delete(k.open, key)
	}
	if n, key := oldest(func(*session) bool { return true }); n >= maxSessions {
		delete(k.open, key)
	}
}

// sweep ends what is over. k.mu is held.
func (k *Keeper) sweep() {
	now := k.Now()
	for id, s := range k.open {
		if now.Sub(s.begun) >= longest || now.Sub(s.used) >= idle || s.secret != "" && now.Sub(s.begun) >= enrolTime {
			delete(k.open, id)
		}
	}
}

// find returns a session that is good now, with its user. k.mu is held.
func (k *Keeper) find(token string) (*session, account.User, error) {
	k.sweep()
	id := sha256.Sum256([]byte(token))
	s := k.open[id]
	if s == nil {
		return nil, account.User{}, ErrGone
	}
	users, _ := k.Users()
	for _, u := range users {
		same := u.Name == s.user && passwordOf(u.Record) == s.password
		if same && u.Role != account.Guest && (u.Role != account.Admin || s.role == account.Admin) {
			return s, u, nil
		}
	}
	delete(k.open, id) // removed, or another password
	return nil, account.User{}, ErrGone
}

// Who is whoever a token belongs to, with the role that they have now. One that has
// become admin since has to log in again, with a code.
func (k *Keeper) Who(token string) (Who, error) { return k.who(token, true) }

// Peek is Who for a page that asks by itself: it keeps no log-in from ending.
func (k *Keeper) Peek(token string) (Who, error) { return k.who(token, false) }

func (k *Keeper) who(token string, used bool) (Who, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, u, err := k.find(token)
	if err != nil {
		return Who{}, err
	}
	if s.secret != "" {
		return Who{}, ErrGone
	}
	if used {
		s.used = k.Now()
	}
	return Who{u.Name, u.Role}, nil
}

// Enrol checks the first code of an admin's, keeps the second factor, and issues
// another token. A wrong code counts as a wrong password; the pass with ErrLogin has
// the same secret once more.
func (k *Keeper) Enrol(token, code, device string) (Pass, error) {
	if len(device) > maxWord || len(code) > maxWord {
		return Pass{}, ErrLogin
	}
	if k.throttle.Check(device) != nil {
		return Pass{}, ErrSlow
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s, u, err := k.find(token)
	if err != nil {
		return Pass{}, err
	}
	if s.secret == "" || u.Role != account.Admin {
		return Pass{}, ErrGone
	}
	step, ok := stepOf(s.secret, code, k.Now(), 0)
	if !ok {
		k.throttle.Fail(device)
		return Pass{Token: token, Who: Who{u.Name, u.Role}, Secret: s.secret}, ErrLogin
	}
	switch enrolled, err := k.seconds.has(u); {
	case err != nil:
		return Pass{}, err
	case enrolled:
		return Pass{}, ErrGone // somebody else did, with the same password
	}
	if err := k.seconds.put(u.Name, second{s.secret, step, s.password}); err != nil {
		return Pass{}, err
	}
	delete(k.open, sha256.Sum256([]byte(token)))
	return k.issue(u, ""), nil
}

// End ends a log-in.
func (k *Keeper) End(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, sha256.Sum256([]byte(token)))
}
