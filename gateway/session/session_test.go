package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/account"
)

// The codes of RFC 6238, appendix B, in their last six digits.
func TestCodes(t *testing.T) {
	secret := plain32.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
		2000000000: "279037", 20000000000: "353130"} {
		if got, err := codeAt(secret, stepAt(time.Unix(at, 0))); got != want || err != nil {
			t.Errorf("%d: %s, %v, want %s", at, got, err, want)
		}
	}
	if uri := URI("ann", "ABC"); uri != "otpauth://totp/tunic:ann?issuer=tunic&secret=ABC" {
		t.Error(uri)
	}
}

const chips, fish = "tall order of chips", "small order of fish"

// box is a Keeper whose time and users a test sets.
type box struct {
	*Keeper
	t     *testing.T
	dir   string
	now   time.Time
	users []account.User
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: filepath.Join(t.TempDir(), "page"), now: time.Unix(1_790_000_000, 0)}
	b.users = []account.User{{Name: "ann", Role: account.Admin, Record: record(t, chips)},
		{Name: "bob", Role: account.Member, Record: record(t, fish)}, {Name: "gus", Role: account.Guest, Record: record(t, fish)}}
	b.restart()
	return b
}

func record(t *testing.T, password string) account.Record {
	t.Helper()
	r, err := account.NewRecord(password)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *box) restart() {
	b.t.Helper()
	k, err := New(b.dir, func() ([]account.User, string) { return b.users, "secret" }, func() time.Time { return b.now })
	if err != nil {
		b.t.Fatal(err)
	}
	b.Keeper = k
}

// later lets time pass, in which checks come back too.
func (b *box) later(d time.Duration) { b.now = b.now.Add(d) }

func (b *box) login(name, password, code, device string) (Pass, error) {
	b.later(checkEvery)
	return b.Login(Login{Device: device, Name: name, Password: password, Code: code})
}

// enrolled lets ann in for the first time, and returns her secret.
func (b *box) enrolled() (secret string, p Pass) {
	b.t.Helper()
	half, err := b.login("ann", chips, "", "laptop")
	if err != nil || half.Secret == "" {
		b.t.Fatalf("%v, %#v", err, half.Who)
	}
	p, err = b.Enrol(half.Token, b.code(half.Secret), "laptop")
	if err != nil || p.Secret != "" {
		b.t.Fatal(err)
	}
	return half.Secret, p
}

func (b *box) code(secret string) string {
	b.t.Helper()
	code, err := codeAt(secret, stepAt(b.now))
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// Members need a password, admins a code too, guests cannot, and names that do not
// exist are refused in the same words.
func TestLogins(t *testing.T) {
	b := newBox(t)
	if p, err := b.login("Bob@x.peer.home.arpa", fish, "", "phone"); err != nil || p.Who != (Who{"bob", account.Member}) || p.Secret != "" {
		t.Errorf("%v, %v", p.Who, err)
	}
	secret, p := b.enrolled()
	if who, err := b.Who(p.Token); err != nil || who != (Who{"ann", account.Admin}) {
		t.Errorf("%v, %v", who, err)
	}
	b.later(time.Minute)
	for name, l := range map[string]Login{
		"wrong password": {"a", "bob", chips, ""}, "nobody": {"b", "eve", fish, ""}, "guest": {"c", "gus", fish, ""},
		"no code": {"d", "ann", chips, ""}, "wrong code": {"e", "ann", chips, "000000"}, "only a code": {"f", "ann", "", b.code(secret)},
		"long": {"g", "bob", strings.Repeat("x", 1000), ""}, "empty": {"h", "", "", ""},
	} {
		b.later(checkEvery)
		if p, err := b.Login(l); err != ErrLogin && !(errors.Is(err, ErrLogin)) || p != (Pass{}) {
			t.Errorf("%s: %v, %v", name, p.Who, err)
		}
	}
	code := b.code(secret)
	if _, err := b.login("ann", chips, code, "laptop"); err != nil {
		t.Errorf("a right code: %v", err)
	}
	if _, err := b.login("ann", chips, code, "laptop"); !errors.Is(err, ErrLogin) {
		t.Errorf("the same code again: %v", err)
	}
	b.restart()
	if _, err := b.login("ann", chips, code, "laptop"); !errors.Is(err, ErrLogin) {
		t.Errorf("the same code after a restart: %v", err)
	}
}

// A pass for enrolling is good for nothing else, and for one.
func TestEnrol(t *testing.T) {
	b := newBox(t)
	half, err := b.login("ann", chips, "", "laptop")
	other, err2 := b.login("ann", chips, "", "phone")
	if err != nil || err2 != nil || half.Secret == other.Secret {
		t.Fatal(err, err2)
	}
	if _, err := b.Who(half.Token); err != ErrGone {
		t.Errorf("it is good before: %v", err)
	}
	if p, err := b.Enrol(half.Token, "000000", "laptop"); err != ErrLogin || p.Secret != half.Secret {
		t.Errorf("a wrong code: %v", err)
	}
	p, err := b.Enrol(half.Token, b.code(half.Secret), "laptop")
	if err != nil || p.Token == half.Token {
		t.Fatal(err)
	}
	if _, err := b.Who(p.Token); err != nil {
		t.Error(err)
	}
	if _, err := b.Enrol(other.Token, b.code(other.Secret), "phone"); !errors.Is(err, ErrGone) {
		t.Errorf("another one afterwards: %v", err)
	}
	if info, err := os.Stat(filepath.Join(b.dir, "second.json")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if p, _ := b.login("bob", fish, "", "laptop"); p.Token == "" {
		t.Fatal("bob is not let in")
	} else if _, err := b.Enrol(p.Token, "000000", "laptop"); err != ErrGone {
		t.Errorf("a member: %v", err)
	}
}

// What ends a log-in: time, a log-out, another password, another role, and being removed.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(b *box, token string){
		"idle": func(b *box, _ string) { b.later(idle) },
		"open in a browser": func(b *box, token string) {
			for range 4 {
				b.later(idle / 4)
				b.Peek(token)
			}
		},
		"log-out":  func(b *box, token string) { b.End(token) },
		"password": func(b *box, _ string) { b.users[0].Record = record(t, fish) },
		"guest":    func(b *box, _ string) { b.users[0].Role = account.Guest },
		"removed":  func(b *box, _ string) { b.users = b.users[1:] },
		"restart":  func(b *box, _ string) { b.restart() },
		"age": func(b *box, token string) {
			for range int(longest / (idle / 2)) {
				b.later(idle / 2)
				b.Who(token)
			}
		},
	} {
		b := newBox(t)
		_, p := b.enrolled()
		if _, err := b.Who(p.Token); err != nil {
			t.Fatal(err)
		}
		end(b, p.Token)
		if _, err := b.Who(p.Token); err != ErrGone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A role is the one of now, and nobody becomes admin without a code.
func TestRoles(t *testing.T) {
	b := newBox(t)
	_, admin := b.enrolled()
	member, err := b.login("bob", fish, "", "phone")
	if err != nil {
		t.Fatal(err)
	}
	b.users[0].Role, b.users[1].Role = account.Member, account.Admin
	if who, err := b.Who(admin.Token); err != nil || who.Role != account.Member {
		t.Errorf("%v, %v", who, err)
	}
	if who, err := b.Who(member.Token); err != ErrGone {
		t.Errorf("%v, %v", who, err)
	}
}

// Another password for an admin makes them enrol again: what root does at the box
// when a phone is lost.
func TestAnotherPassword(t *testing.T) {
	b := newBox(t)
	secret, _ := b.enrolled()
	b.users[0].Record = record(t, fish)
	b.later(time.Minute)
	if p, err := b.login("ann", fish, b.code(secret), "laptop"); err != nil || p.Secret == "" || p.Secret == secret {
		t.Errorf("%v", err)
	}
}

// Guessing gets slow for a device, for an account from devices that do not know its
// password, and for all together; no device is slowed down by another.
func TestGuessing(t *testing.T) {
	b := newBox(t)
	secret, _ := b.enrolled()
	for range account.MaxFailures {
		if _, err := b.login("ann", chips, "123123", "thief"); !errors.Is(err, ErrLogin) {
			t.Fatal(err)
		}
	}
	if _, err := b.login("ann", chips, b.code(secret), "thief"); err != ErrSlow {
		t.Errorf("a device that has guessed codes: %v", err)
	}
	b.later(time.Minute)
	if _, err := b.login("ann", chips, b.code(secret), "laptop"); err != nil {
		t.Errorf("another device: %v", err)
	}
	for i := range account.MaxAccountFailures {
		b.login("bob", "wrong", "", fmt.Sprint("device", i))
	}
	if _, err := b.login("bob", fish, "", "new"); err != ErrSlow {
		t.Errorf("an account that many guess at: %v", err)
	}
	for i := range account.MaxAccountFailures {
		b.login(fmt.Sprint("nobody", i), "wrong", "", fmt.Sprint("other", i))
	}
	if _, err := b.login("eve", fish, "", "new"); err != ErrSlow {
		t.Errorf("names that do not exist: %v", err)
	}
	b = newBox(t)
	busy := 0
	for i := range 2 * checksAtOnce {
		if _, err := b.Login(Login{Device: fmt.Sprint(i), Name: "bob", Password: "wrong"}); err == ErrBusy {
			busy++
		}
	}
	if busy != checksAtOnce {
		t.Errorf("%d of %d at once are refused", busy, 2*checksAtOnce)
	}
}

// Codes for enrolling are not to be guessed either.
func TestGuessingAtEnrolment(t *testing.T) {
	b := newBox(t)
	half, err := b.login("ann", chips, "", "laptop")
	if err != nil {
		t.Fatal(err)
	}
	for range account.MaxFailures {
		b.Enrol(half.Token, "000000", "laptop")
	}
	if _, err := b.Enrol(half.Token, b.code(half.Secret), "laptop"); err != ErrSlow {
		t.Errorf("%v", err)
	}
}

// Of log-ins there is a bound, and the one that was used least lately is over.
func TestBounds(t *testing.T) {
	b := newBox(t)
	_, admin := b.enrolled()
	var all []Pass
	for range maxPerUser + 1 {
		p, err := b.login("bob", fish, "", "phone")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if _, err := b.Who(all[0].Token); err != ErrGone {
		t.Errorf("the first: %v", err)
	}
	for _, p := range []Pass{all[1], all[maxPerUser], admin} {
		if _, err := b.Who(p.Token); err != nil {
			t.Error(err)
		}
	}
}

// A file of second factors that is damaged lets no admin in and is not written over.
func TestDamaged(t *testing.T) {
	b := newBox(t)
	b.enrolled()
	file := filepath.Join(b.dir, "second.json")
	if err := os.WriteFile(file, []byte(`{"ann"`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.restart()
	if p, err := b.login("ann", chips, "", "laptop"); err == nil || p.Token != "" {
		t.Error("an admin is let in")
	}
	if text, _ := os.ReadFile(file); string(text) != `{"ann"` {
		t.Errorf("%s", text)
	}
}

// Whatever somebody logs, no secret is in it.
func TestSecretsHide(t *testing.T) {
	for _, what := range []any{Login{Password: "hidden"}, Pass{Token: "hidden", Secret: "hidden"}, second{Secret: "hidden"},
		&Login{Password: "hidden"}, []Pass{{Token: "hidden"}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, what); strings.Contains(text, "hidden") {
				t.Errorf("%T as %s: %s", what, verb, text)
			}
		}
	}
}
