package gateway

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/link"
)

const chips = "tall order of chips"

func TestUsersReachServe(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	u, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: chips})
	if err != nil || u.Role != "admin" || !u.Mail || !strings.HasPrefix(u.Address, "bob@") ||
		!strings.HasSuffix(u.Address, ".peer.home.arpa") {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "gus", Role: "guest", For: time.Hour, Password: chips}); err != nil {
		t.Fatal(err)
	}
	sent := h.sent().Users
	if len(sent.List) != 2 || sent.List[0].Name != "bob" || sent.List[1].Role != "guest" || sent.Secret == "" {
		t.Fatalf("serve has %v", sent)
	}
	if r, err := account.ParseRecord(sent.List[0].Record); err != nil || !r.Check(chips) {
		t.Errorf("serve cannot check bob's password: %v", err)
	}
	if u, err := h.people.ChangeUser(t.Context(), api.UserRequest{Name: "gus", Role: "member"}); err != nil ||
		u.Role != "member" || u.Until != nil {
		t.Errorf("%+v, %v", u, err)
	}
	if err := h.people.RemoveUser(t.Context(), api.UserRequest{Name: "gus"}); err != nil {
		t.Error(err)
	}
	if list, err := h.people.Users(t.Context()); err != nil || len(list) != 1 || len(h.sent().Users.List) != 1 {
		t.Errorf("%v, %v, serve has %v", list, err, h.sent().Users)
	}
}

func TestUsersAreRefused(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	for what, err := range map[string]error{
		"a weak password": second(h.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: "password12"})),
		"no password":     second(h.people.AddUser(t.Context(), api.UserRequest{Name: "bob"})),
		"a taken name":    second(h.people.AddUser(t.Context(), api.UserRequest{Name: "root", Password: chips})),
		"a guest first":   second(h.people.AddUser(t.Context(), api.UserRequest{Name: "gus", Role: "guest", Password: chips})),
		"nobody":          h.people.RemoveUser(t.Context(), api.UserRequest{Name: "nobody"}),
	} {
		if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
			t.Errorf("%s: %v", what, err)
		}
	}
	if list, err := h.people.Users(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func second[T any](_ T, err error) error { return err }

// The time of a guest ends by itself, and a damaged account costs no other.
func TestGuestsGo(t *testing.T) {
	h := newHouse(t, nil)
	record, err := account.NewRecord(chips)
	if err != nil {
		t.Fatal(err)
	}
	store := account.Store{Dir: h.Paths.Accounts()}
	for _, u := range []account.User{{Name: "bob", Role: account.Admin, Record: record},
		{Name: "gus", Role: account.Guest, Record: record, Until: time.Now().Add(-time.Second)}} {
		if err := store.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	h.running(t)
	if got := h.sent().Users.List; len(got) != 1 || got[0].Name != "bob" {
		t.Errorf("serve has %v", got)
	}
	if list, err := h.people.Users(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.WriteFile(store.Dir+"/eve.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(h.codes(t), "account-unusable") {
		t.Error("nobody is told of the damaged account")
	}
	if got := h.sent().Users.List; len(got) != 1 || got[0].Name != "bob" {
		t.Errorf("serve has %v", got)
	}
}

// sent is what serve was last told.
func (h *house) sent() link.Desired {
	h.fakes.mu.Lock()
	defer h.fakes.mu.Unlock()
	return h.served
}
