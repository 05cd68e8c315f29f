//go:build lab

package xmpp

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestGuesser: one device that guesses passwords is refused, twenty others log in as
// ever, the owner of the account too; many devices slow down an account for
// strangers to it alone.
func TestGuesser(t *testing.T) {
	a, _, _ := boxes(t)
	names := ordinary(a)
	a.own()
	a.start()
	addr := net.JoinHostPort(a.addr, fmt.Sprint(clientPort))
	try := func(from, user, password string) string {
		t.Helper()
		c := connect(t, from, addr, hostA)
		defer c.conn.Close()
		return c.authenticate(user, password)
	}
	want := func(got, want, what string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, not %s", what, got, want)
		}
	}
	began := time.Now()
	for i, name := range names {
		want(try(fmt.Sprintf("127.128.1.%d", i+1), name, password), "success", name)
	}
	before := time.Since(began)
	const guesser = "127.128.2.1"
	for i := range 10 {
		want(try(guesser, "alice", fmt.Sprint("guess ", i)), "not-authorized", "a guess")
	}
	flood := connect(t, guesser, addr, hostA)
	for i := range 200 { // on one connection, at once
		want(flood.authenticate("alice", fmt.Sprint("guess ", i)), "temporary-auth-failure", "one guess too many")
	}
	want(try(guesser, "alice", password), "temporary-auth-failure", "the right one at last")
	began = time.Now()
	for i, name := range names {
		want(try(fmt.Sprintf("127.128.1.%d", i+1), name, password), "success", name)
	}
	if during := time.Since(began); during > 2*before {
		t.Errorf("twenty logins take %s, and took %s", during, before)
	}
	want(try("127.128.2.2", "alice", password), "success", "alice's own device")
	for d := range 5 {
		for i := range 10 {
			try(fmt.Sprintf("127.128.3.%d", d+1), "Alice", fmt.Sprint("guess ", i))
		}
	}
	want(try("127.128.3.9", "alice", password), "temporary-auth-failure", "another device of the guesser's")
	want(try("127.128.2.2", "alice", password), "success", "alice's own device after that")
	want(try("127.128.3.9", "user1", password), "success", "another account")
	a.kill()
	a.start()
	for d := range 5 {
		for i := range 10 {
			try(fmt.Sprintf("127.128.3.%d", d+1), "alice", fmt.Sprint("guess ", i))
		}
	}
	want(try("127.128.3.9", "alice", password), "temporary-auth-failure", "a device of the guesser's after a restart")
	want(try("127.128.2.2", "alice", password), "success", "alice's own device after a restart")
	for d := range 20 {
		want(try(fmt.Sprintf("127.128.5.%d", d+1), "user3", password), "success", "one more device of user3")
	}
	want(try("127.128.5.5", "user3", password), "success", "the one that came first")
	want(try("127.128.2.3", "user3", password), "success", "a new one")
	kept := strings.TrimSuffix(a.file(hostA, "tunic_logins", "user3"), ".list") + ".dat"
	text, err := os.ReadFile(kept)
	if n := strings.Count(string(text), "127.128."); err != nil || n != 16 || !strings.Contains(string(text), "127.128.5.5\"") {
		t.Errorf("%v, %d devices are remembered, and not the one that logged in just before: %s", err, n, text)
	}
	if info, err := os.Stat(kept); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for d := range 5 {
		for i := range 10 {
			c := connect(t, fmt.Sprintf("127.128.4.%d", d+1), addr, hostA)
			want(c.guess("user2", fmt.Sprint("decoy", d, i)), "not-authorized", "a guess under another name")
			c.conn.Close()
		}
	}
	want(try("127.128.4.9", "user2", password), "temporary-auth-failure", "one more device at that account")
}

// TestLongLogins: what a device says instead of a login costs others no time,
// however long it is, and is no error of the server's.
func TestLongLogins(t *testing.T) {
	a, _, _ := boxes(t)
	a.start()
	alices := a.login("alice")
	addr := net.JoinHostPort(a.addr, fmt.Sprint(clientPort))
	const device = "127.128.6.1"
	long := base64.StdEncoding.EncodeToString([]byte("n,,m" + strings.Repeat("n=", 3500)))
	var many []*client
	for range 12 {
		many = append(many, connect(t, device, addr, hostA))
	}
	began := time.Now()
	for _, c := range many {
		c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>%s</auth>", long)
	}
	time.Sleep(100 * time.Millisecond) // they are there
	alices.ask("get", alices.jid, "<ping xmlns='urn:xmpp:ping'/>")
	took := time.Since(began)
	t.Logf("alice waits for %s", took)
	if took > time.Second {
		t.Errorf("alice waits for %s", took)
	}
	c := connect(t, device, addr, hostA)
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'><x/></auth>")
	if answer, _ := c.answer(); answer != "malformed-request" {
		t.Errorf("a login that is no text: %s", answer)
	}
	if text, err := os.ReadFile(a.dir + "/log"); err != nil || strings.Contains(string(text), "raceback") {
		t.Errorf("%v, the log has %s", err, text)
	}
}
