package peer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// Nobody but the owner of the daemon can read what is kept, and forgetting
// leaves nothing.
func TestFiles(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	i := invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, dir := range []string{a.dir, b.dir} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			info, _ := d.Info()
			if !d.IsDir() && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			if !d.IsDir() {
				files++
			}
			return err
		})
	}
	if files < 3 {
		t.Errorf("%d files", files)
	}
	if err := a.Rename("bob", "robert"); err != nil {
		t.Fatal(err)
	}
	a.peers[0].Name = "robert"
	a.restart()
	if a.Friend(b.Self).key == "" {
		t.Error("the key is lost by renaming")
	}
	if _, err := a.Withdraw("robert"); err != nil {
		t.Fatal(err)
	}
	if err := a.Forget("robert"); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(a.dir, "var/lib/tunic/*/*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, p := range []Pairing{{Token: i.Token}} {
		if strings.Contains(p.String(), i.Word()[10:30]) {
			t.Error("a secret in a text")
		}
	}
}

// What cannot be moved is said, and a friend of whom nothing is kept is not.
func TestRenameThatFails(t *testing.T) {
	a := newHouse(t, 0)
	if err := a.Rename("bob", "robert"); err != nil {
		t.Errorf("nothing is kept: %v", err)
	}
	dir := a.Paths.PeerKeys("bob")
	if err := os.MkdirAll(filepath.Dir(filepath.Dir(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Rename("bob", "robert"); err == nil {
		t.Error("a file stands where directories should")
	}
}

func TestTidy(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	a.now, b.now = a.now.Add(Lifetime+time.Second), b.now.Add(Lifetime+time.Second)
	for _, h := range []*house{a, b} {
		if changed, err := h.Tidy(); !changed || err != nil {
			t.Errorf("%v, %v", changed, err)
		}
	}
	if len(a.Clients()) != 0 || len(a.Pairings()) != 0 {
		t.Error("an expired invitation lets in")
	}
	if p := b.Pairings(); len(p) != 1 || p[0].State != Failed || len(b.Calls()) != 0 {
		t.Errorf("the invited side: %v", p)
	}
}

// What was written down is not called for again, should the power have gone
// before that was noted.
func TestConcludedAtTheNextStart(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	err := converse(a, b, func(step int) error {
		if step == steps-1 {
			return errCrash
		}
		return nil
	})
	b.restart()
	if !errors.Is(err, errCrash) || !b.knows(a) || len(b.Calls()) != 1 {
		t.Fatalf("%v, %v", err, b.Calls())
	}
	if _, err := b.Tidy(); err != nil || len(b.Calls()) != 0 {
		t.Errorf("calls %v, %v", b.Calls(), err)
	}
}

// A broken file is reported and spoils no other.
func TestBrokenFile(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	if err := os.WriteFile(filepath.Join(a.Paths.Invites(), "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What a power cut left half written is no invitation, broken or not.
	if err := os.WriteFile(filepath.Join(a.Paths.Invites(), ".new-123"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := OpenBook(a.Options)
	if err == nil || strings.Contains(err.Error(), ".new-123") || len(book.Pairings()) != 1 {
		t.Errorf("%v, %v", book.Pairings(), err)
	}
}

// What could not be read is an error until it can be, and is known then without another start.
func TestUnreadIsReadAgain(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Invite("carol", "", true); err != nil {
		t.Fatal(err)
	}
	invites, _ := filepath.Glob(filepath.Join(a.Paths.Invites(), "*.json"))
	hidden := append(invites, a.keyFile(a.peers[0].Name))
	for _, path := range hidden {
		if err := errors.Join(os.Rename(path, path+".aside"), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	book, err := OpenBook(a.Options)
	for range 2 {
		if err == nil || book.SetPeers(a.peers) == nil {
			t.Fatal("what cannot be read is no error")
		}
		err = book.Reread()
	}
	for _, path := range hidden {
		if err := errors.Join(os.Remove(path), os.Rename(path+".aside", path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(book.Reread(), book.SetPeers(a.peers)); err != nil {
		t.Error(err)
	}
	if len(book.Pairings()) != len(a.Pairings()) || len(a.Pairings()) == 0 || book.Friend(b.Self).key == "" {
		t.Errorf("%d invitations of %d, and the friend is %+v", len(book.Pairings()), len(a.Pairings()), book.Friend(b.Self))
	}
}

func TestManInTheMiddleHasOtherWords(t *testing.T) {
	self, _ := box(0)
	other, _ := box(1)
	middle, _ := box(2)
	t1 := Transcript{InviterOnion: KeyOf(self), InvitedOnion: KeyOf(middle)}
	t2 := Transcript{InviterOnion: KeyOf(middle), InvitedOnion: KeyOf(other)}
	if t1.Words() == t2.Words() {
		t.Error("the same words")
	}
	if n := len(t1.Message(Inviter)); n <= 32 || string(t1.Message(Inviter)) == string(t1.Message(Invited)) {
		t.Errorf("%d bytes are signed", n)
	}
	var _ onion.Address = self
}

// A friend who gets the name of another has none of what was kept of that one,
// and one of whom nothing is kept is not visited.
func TestNamesakeHasKeysOfHerOwn(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	if err := a.Called(b.key(), Seen{Offers: []Offer{{Name: "photos", Onion: a.Self}}}, nil); err != nil {
		t.Fatal(err)
	}
	other, _ := box(2)
	a.peers = []config.Peer{{Name: a.peers[0].Name, Onion: string(other), ClientKey: a.peers[0].ClientKey}}
	a.restart()
	if f := a.Friend(other); f.key != "" || f.Words != "" || !f.At.IsZero() {
		t.Errorf("a namesake has %+v", f)
	}
	if visits := a.Granted().Visits; len(visits) != 0 {
		t.Errorf("visited without a key: %+v", visits)
	}
}
