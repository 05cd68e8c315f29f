//go:build lab

package xmpp

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// queued sends a message under an id of the sender's choice, as a friend's box can.
func (c *client) queued(to, body, id string) {
	c.t.Helper()
	c.say("<message to='%s' type='chat'><body>%s</body><queued xmlns='urn:tunic:queue:0' id='%s'/></message>", to, body, id)
}

// seen are the ids that a box has in its store of another, once there are n.
func (b *box) seen(n int) string {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(b.listOf("tunic_seen", hostB))
		if got := strings.Count(string(text), "item("); got >= n {
			return string(text)
		} else if time.Now().After(end) {
			b.t.Fatalf("%d ids are in the store, and not %d", got, n)
		}
	}
}

// TestOverlongIDs: an id of more than 64 bytes is held nowhere, and what comes
// under it comes each time; one of 64 is known again.
func TestOverlongIDs(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	long, longest := strings.Repeat("L", 65), strings.Repeat("k", 64)
	for i, id := range []string{longest, longest, long, long, strings.Repeat("M", 3000)} {
		bobs.queued(alice, fmt.Sprint(i), id)
	}
	for _, want := range []string{"0", "2", "3", "4"} {
		if m, ok := alices.next(arrivalTime); !ok || m.Body != want {
			t.Fatalf("alice hears %q, not %s", m.Body, want)
		}
	}
	bobs.queued(alice, "5", "last")
	if m, ok := alices.next(arrivalTime); !ok || m.Body != "5" {
		t.Fatalf("alice hears %q, not 5", m.Body)
	}
	a.seen(2)
	kept := 0
	_ = filepath.WalkDir(a.store("tunic_seen"), func(path string, e os.DirEntry, err error) error {
		if text, err := os.ReadFile(path); err == nil {
			kept += len(text)
			if strings.Contains(string(text), "LLL") || strings.Contains(string(text), "MMM") {
				t.Error("an id of more than 64 bytes is in the store")
			}
		}
		return nil
	})
	if kept > 1000 {
		t.Errorf("two ids take %d bytes", kept)
	}
}

// TestLongTags: what another box would read only when as much again has come does
// not leave, and what comes after it does.
func TestLongTags(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	bobs.queued(alice, "0", strings.Repeat("M", 100_000))
	bobs.say("<message to='%s' type='chat'><body>%s</body></message>", alice, strings.Repeat("1 ", 100_000)) // so much again
	if m, ok := bobs.next(arrivalTime); !ok || m.Type != "error" {
		t.Errorf("bob hears %+v", m)
	}
	if m, ok := alices.next(arrivalTime); !ok || !strings.HasPrefix(m.Body, "1 ") {
		t.Errorf("alice hears %.20q", m.Body)
	}
}

// TestIDsAreAppended: an id is one line more, and the file is written whole only
// when twice as many are in it as are remembered.
func TestIDsAreAppended(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	file := a.listOf("tunic_seen", hostB)
	send := func(first, n int) {
		t.Helper()
		for i := range n {
			bobs.send(alice, fmt.Sprint(first+i))
		}
		for i := range n {
			if m, ok := alices.next(arrivalTime); !ok || m.Body != fmt.Sprint(first+i) {
				t.Fatalf("alice hears %q, not %d", m.Body, first+i)
			}
		}
	}
	send(1, 1)
	begin := a.seen(1)
	first, err := os.Open(file) // kept open, so that its inode is no other file's
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	send(2, 20)
	text := a.seen(21)
	if now, err := io.ReadAll(first); err != nil || string(now) != text || !strings.HasPrefix(text, begin) {
		t.Error("the file was written whole")
	}
	line := len(text) / 21
	t.Logf("%d bytes are written for an id", line)
	if line > 400 {
		t.Errorf("%d bytes are written for an id", line)
	}
	if left := b.stored(); len(left) != 0 { // it would send that again, and the ids of it are forged away
		t.Fatalf("bob's box still waits for an answer: %v", left)
	}
	a.kill()
	full := begin + strings.Repeat(begin, 998) // the last of many: it is the first one's id
	if err := os.WriteFile(file, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chown(file, nobody, nobody)
	os.Remove(strings.TrimSuffix(file, "list") + "lidx")
	a.start()
	alices = a.login("alice")
	bobs.send(alice, "22")
	if m, ok := alices.next(arrivalTime); !ok || m.Body != "22" {
		t.Fatalf("alice hears %q", m.Body)
	}
	for end := time.Now().Add(10 * time.Second); strings.Count(a.seen(500), "item(") != 500; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d ids are left", strings.Count(a.seen(500), "item("))
		}
	}
}

// TestPowerCut: of a list whose last item a power cut has left half written, or
// as zeros, all others are there.
func TestPowerCut(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	alices := a.login("alice")
	for i := 1; i <= 3; i++ {
		alices.send(bob, fmt.Sprint(i))
	}
	a.waitStored(3)
	a.kill()
	file := a.listOf("tunic_queue", hostB)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.LastIndex(string(text), "item(")
	torn := string(text[:last+40]) + strings.Repeat("\x00", 4000)
	if err := os.WriteFile(file, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	a.start()
	b.start()
	a.login("alice")
	bobs := b.login("bob")
	inOrder(t, bobs, 2)
}
