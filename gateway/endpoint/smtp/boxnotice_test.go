package smtp

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A notice is in each admin's mailbox once, however often it is told.
func TestBoxNotice(t *testing.T) {
	n := newNetwork()
	h, friend := n.build(t, "a"), n.build(t, "b")
	notice := BoxNotice{ID: "1", Subject: "1 new\r\nBcc: bob@elsewhere", Text: "the disk is nearly full: ü\nmake room\n", At: time.Now()}
	if err := h.TellAdmins(notice); err == nil {
		t.Error("a box that has no address takes a notice")
	}
	befriend(h, friend)
	for range 3 {
		if err := h.TellAdmins(notice); err != nil {
			t.Fatal(err)
		}
		h.idle()
	}
	for _, admin := range []string{"ann", "bob"} {
		got := h.mail(admin, 1)
		if len(got) != 1 || !strings.Contains(got[0], "\r\n\r\nthe disk is nearly full: ü\r\nmake room\r\n") ||
			field(t, got[0], "Subject") != "1 new  Bcc: bob@elsewhere" || field(t, got[0], "Bcc") != "" {
			t.Errorf("%s got %q", admin, got)
		}
	}
	if n.dials != 0 {
		t.Errorf("%d boxes were called", n.dials)
	}
}

// Without an admin a notice goes nowhere: not to a group of that name, whose members
// are elsewhere, and not back.
func TestBoxNoticeStaysHere(t *testing.T) {
	n := newNetwork()
	h, friend := n.build(t, "a"), n.build(t, "b")
	h.People = func() People { return noAdmins{} }
	h.knows([]Group{{Name: postmaster, Members: []string{friend.at("bob")}}}, map[string]*house{"bea": friend})
	if err := h.TellAdmins(BoxNotice{ID: "1", Subject: "s", Text: "t\n", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h.idle()
	files, _ := filepath.Glob(filepath.Join(h.dir, "*", "Maildir", "new", "*"))
	if n.dials != 0 || len(files) > 0 || len(friend.mail("bob", 0)) > 0 {
		t.Errorf("%d boxes were called, %q", n.dials, files)
	}
}

// noAdmins are a household in which nobody gets mail.
type noAdmins struct{ users }

func (noAdmins) Mailboxes(string) []string { return nil }
