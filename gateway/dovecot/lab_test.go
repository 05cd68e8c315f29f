//go:build lab

package dovecot

import (
	"bufio"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/managed"
	"tunic/internal/lab/onbox"
)

// The test binary is also what confines.
func TestMain(m *testing.M) {
	onbox.Confine()
	os.Exit(m.Run())
}

// session speaks IMAP as serve hands it on.
type session struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (s *session) say(command string) string {
	s.t.Helper()
	fmt.Fprintf(s, "a %s\r\n", command)
	var all strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		all.WriteString(line)
		if err != nil || strings.HasPrefix(line, "a ") {
			return all.String()
		}
	}
}

// scram logs in by SCRAM-SHA-256 (RFC 7677) with what the record says, and
// returns the end of it.
func (s *session) scram(name, password string, r account.Record) string {
	s.t.Helper()
	b64 := base64.StdEncoding
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	step := func(text string) string {
		fmt.Fprintf(s, "%s\r\n", b64.EncodeToString([]byte(text)))
		line, _ := s.r.ReadString('\n')
		raw, err := b64.DecodeString(strings.TrimSpace(strings.TrimPrefix(line, "+ ")))
		if err != nil {
			s.t.Fatalf("dovecot answers %q", line)
		}
		return string(raw)
	}
	fmt.Fprint(s, "a AUTHENTICATE SCRAM-SHA-256\r\n")
	if _, err := s.r.ReadString('\n'); err != nil {
		s.t.Fatal(err)
	}
	bare := "n=" + name + ",r=abcdef"
	first := step("n,," + bare)
	nonce, _, _ := strings.Cut(first, ",")
	salted, err := pbkdf2.Key(sha256.New, password, []byte(r.Salt), r.Iterations, sha256.Size)
	if err != nil {
		s.t.Fatal(err)
	}
	last := "c=biws," + nonce
	key := mac(salted, "Client Key")
	proof := make([]byte, len(key))
	subtle.XORBytes(proof, key, mac(r.StoredKey[:], bare+","+first+","+last))
	final := step(last + ",p=" + b64.EncodeToString(proof))
	if want := "v=" + b64.EncodeToString(mac(r.ServerKey[:], bare+","+first+","+last)); final != want {
		s.t.Errorf("dovecot ends with %q, want %q", final, want)
	}
	fmt.Fprint(s, "\r\n")
	line, _ := s.r.ReadString('\n')
	return line
}

// box is a real Dovecot, run as on a box.
type box struct {
	*managed.Manager
	t        *testing.T
	settings Settings
}

func newBox(t *testing.T) *box {
	t.Helper()
	place := onbox.NewPlace(t, "tunic-mail")
	b := &box{t: t, settings: Settings{Dir: place.Root + "/dovecot", Mail: place.Root + "/mail", User: place.User, UID: place.UID,
		GID:    place.GID,
		Listen: place.Listen, Quota: 10_000, Users: []account.User{b0(t, "bob", "tall order of chips")}}}
	for _, dir := range []string{"", "/bob", "/bob/Maildir", "/bob/Maildir/cur", "/bob/Maildir/new", "/bob/Maildir/tmp"} {
		path := b.settings.Mail + dir
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 0, int(place.GID)); err != nil { // root stands for serve's user
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o770); err != nil {
			t.Fatal(err)
		}
	}
	b.Manager = onbox.Manager(t)
	return b
}

func b0(t *testing.T, name, password string) account.User {
	t.Helper()
	r, err := account.NewRecord(password)
	if err != nil {
		t.Fatal(err)
	}
	return account.User{Name: name, Role: account.Member, Record: r}
}

// ready waits for another process than pid that answers.
func (b *box) ready(pid int) managed.Status {
	b.t.Helper()
	return onbox.Ready(b.t, b.Manager, pid)
}

func (b *box) dial(device string) *session {
	b.t.Helper()
	c, err := net.Dial("tcp", b.settings.Listen.String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		b.t.Fatal(err)
	}
	fmt.Fprintf(c, "PROXY TCP4 %s 192.168.77.1 40000 993\r\n", device)
	s := &session{b.t, c, bufio.NewReader(c)}
	if line, err := s.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "* OK") {
		b.t.Fatalf("dovecot greets with %q, %v", line, err)
	}
	return s
}

func TestDovecot(t *testing.T) {
	b := newBox(t)
	b.Apply([]managed.Spec{b.settings.Spec()})
	first := b.ready(0)

	s := b.dial("192.168.77.10")
	if got := s.say(`LOGIN bob "wrong order of chips"`); !strings.Contains(got, "a NO [AUTHENTICATIONFAILED]") {
		t.Errorf("a wrong password: %s", got)
	}
	s = b.dial("192.168.77.11")
	if got := s.say(`LOGIN Bob@x.peer.home.arpa "tall order of chips"`); !strings.Contains(got, "a OK") {
		t.Fatalf("the right password: %s", got)
	}
	if got := b.dial("192.168.77.14").scram("bob", "tall order of chips", b.settings.Users[0].Record); !strings.Contains(got, "a OK") {
		t.Errorf("SCRAM-SHA-256: %s", got)
	}
	list := s.say(`LIST "" "*"`)
	for _, want := range []string{`\Drafts) "/" Drafts`, `\Sent) "/" Sent`, `\Trash) "/" Trash`, `\Junk) "/" Junk`} {
		if !strings.Contains(list, want) {
			t.Errorf("LIST has no %s:\n%s", want, list)
		}
	}
	mail := filepath.Join(b.settings.Mail, "bob/Maildir/new/1.x.tunic")
	if err := os.WriteFile(mail, []byte("Subject: hello\r\n\r\nbob\r\n"), 0o660); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(mail, 0, int(b.settings.GID)), os.Chmod(mail, 0o660)); err != nil { // as serve, whose group it is
		t.Fatal(err)
	}
	if got := s.say("SELECT INBOX") + s.say("FETCH 1 BODY[TEXT]"); !strings.Contains(got, "* 1 EXISTS") ||
		!strings.Contains(got, "bob\r\n") {
		t.Errorf("the mail: %s", got)
	}
	full := fmt.Sprintf("APPEND Sent {%d+}\r\n%s", 20_000, strings.Repeat("x", 20_000))
	if got := s.say(full); !strings.Contains(got, "a NO [OVERQUOTA]") {
		t.Errorf("more than the quota: %s", got)
	}

	// A new user and a new quota cost no session.
	b.settings.Users = append(b.settings.Users, b0(t, "eve", "another order of chips"))
	b.settings.Quota = 0
	b.Apply([]managed.Spec{b.settings.Spec()})
	if got := s.say("NOOP"); !strings.Contains(got, "a OK") {
		t.Errorf("the session after a reload: %s", got)
	}
	if err := os.MkdirAll(b.settings.Mail+"/eve/Maildir", 0o777); err != nil {
		t.Fatal(err)
	}
	got := ""
	for limit := time.Now().Add(20 * time.Second); !strings.Contains(got, "a OK"); { // it looks at its file once a second
		got = b.dial("192.168.77.12").say(`LOGIN eve "another order of chips"`)
		if time.Now().After(limit) {
			t.Fatalf("the new user: %s", got)
		}
	}
	if again := b.ready(0); again.PID != first.PID {
		t.Error("a reload started it again")
	}
	unprivileged(t, first.PID, b.settings.UID)

	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := b.ready(first.PID)
	if got := b.dial("192.168.77.13").say(`LOGIN bob "tall order of chips"`); !strings.Contains(got, "a OK") {
		t.Errorf("after it was killed: %s", got)
	}
	b.Stop()
	for limit := time.Now().Add(10 * time.Second); syscall.Kill(-second.PID, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) { // those that were killed may not be reaped at once
			t.Fatal("some of its processes live on")
		}
	}
}

// TestGuesser: a device that guesses passwords is slowed down more and more, by
// the address that serve has for it, and the owner's device is not.
func TestGuesser(t *testing.T) {
	b := newBox(t)
	b.Apply([]managed.Spec{b.settings.Spec()})
	b.ready(0)
	login := func(device, password, want string) time.Duration {
		t.Helper()
		begin := time.Now()
		if got := b.dial(device).say(fmt.Sprintf("LOGIN bob %q", password)); !strings.Contains(got, want) {
			t.Errorf("from %s: %s", device, got)
		}
		return time.Since(begin)
	}
	before := login("127.128.0.2", "tall order of chips", "a OK")
	var guess time.Duration
	for i := range 4 {
		guess = login("127.128.0.1", fmt.Sprint("guess ", i), "a NO [AUTHENTICATIONFAILED]")
	}
	during := login("127.128.0.2", "tall order of chips", "a OK")
	if t.Logf("the fourth guess takes %s, the owner %s and then %s", guess, before, during); guess < 4*time.Second ||
		during > 2*max(before, time.Second) {
		t.Error("the guesser is not slowed down alone")
	}
}

var memoryBound = regexp.MustCompile(`Max data size +268435456 +268435456 `)

// unprivileged looks whether all of a server's processes have its user, no
// capability, and no way to get one (proc_pid_status(5)), and bounded memory, but
// for the first one.
func unprivileged(t *testing.T, group int, uid uint32) {
	t.Helper()
	paths, _ := filepath.Glob("/proc/[0-9]*/status")
	seen := 0
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if id, err := syscall.Getpgid(pid); err != nil || id != group {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		seen++
		for _, want := range []string{fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", uid), "CapEff:\t0000000000000000\n",
			"CapPrm:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("process %d has no %q:\n%s", pid, want, text)
			}
		}
		limits, err := os.ReadFile(filepath.Join(filepath.Dir(path), "limits"))
		if err == nil && pid != group && !memoryBound.Match(limits) {
			t.Errorf("process %d may have other memory than 256 MB:\n%s", pid, limits)
		}
	}
	if seen < 4 {
		t.Errorf("only %d processes were found", seen)
	}
}
