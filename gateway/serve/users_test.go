package serve

import (
	"log/slog"
	"strings"
	"testing"

	"tunic/gateway/account"
	"tunic/gateway/link"
)

func TestPeople(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	record, err := account.NewRecord("tall order of chips")
	if err != nil {
		t.Fatal(err)
	}
	bob := link.User{Name: "bob", Role: "admin", Record: record.Encode()}
	if failed := s.apply(t.Context(), link.Desired{Users: link.Users{List: []link.User{bob}}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	book := s.book.Load()
	if name, ok := book.Login("bob", "tall order of chips"); name != "bob" || !ok {
		t.Error("bob cannot log in")
	}
	if got := book.Mailboxes("postmaster"); len(got) != 1 || got[0] != "bob" {
		t.Errorf("postmaster is %v", got)
	}
	eve := link.User{Name: "eve", Role: "member", Record: "none"}
	failed := s.apply(t.Context(), link.Desired{Users: link.Users{List: []link.User{eve}}})
	if len(failed) != 1 || !strings.Contains(failed[0], "eve") {
		t.Errorf("a record that is none: %v", failed)
	}
	if _, ok := s.book.Load().Login("bob", "tall order of chips"); ok {
		t.Error("bob can still log in")
	}
}
