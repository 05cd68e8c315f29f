//go:build lab

package xmpp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLoggedOut: who has another password, or none, is logged out; others stay.
func TestLoggedOut(t *testing.T) {
	a, _, _ := boxes(t)
	for _, user := range []string{"carol", "dave"} {
		a.account(user)
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprint(nobody), a.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a.start()
	stays, changed, removed := a.login("alice"), a.login("carol"), a.login("dave")
	a.reload() // nothing has changed
	stays.send("carol@"+hostA, "you are there")
	if m, ok := changed.next(10 * time.Second); !ok || m.Body != "you are there" {
		t.Fatalf("carol was logged out for nothing: %+v", m)
	}
	accounts := filepath.Join(a.conf.Data, strings.ReplaceAll(hostA, ".", "%2e"), "accounts")
	text, err := os.ReadFile(filepath.Join(accounts, "carol.dat"))
	if err == nil {
		other := strings.Replace(string(text), `["stored_key"] = "`, `["stored_key"] = "00`, 1)
		err = os.WriteFile(filepath.Join(accounts, "carol.dat"), []byte(other), 0o600)
	}
	if err == nil {
		err = os.Remove(filepath.Join(accounts, "dave.dat"))
	}
	if err != nil {
		t.Fatal(err)
	}
	a.reload()
	for name, c := range map[string]*client{"carol": changed, "dave": removed} {
		select {
		case m, open := <-c.got:
			if open {
				t.Errorf("%s got %+v", name, m)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s is not logged out", name)
		}
	}
	stays.send(alice, "I stay")
	if m, ok := stays.next(10 * time.Second); !ok || m.Body != "I stay" {
		t.Errorf("alice was logged out too: %+v, %v", m, ok)
	}
}
