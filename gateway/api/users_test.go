package api

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
)

func (f *fake) Users(context.Context) ([]User, error) { return []User{{Name: "bob"}}, f.err }

func (f *fake) AddUser(_ context.Context, r UserRequest) (User, error) {
	f.asked = append(f.asked, "add", r)
	return User{Name: r.Name, Mail: true}, f.err
}

func (f *fake) ChangeUser(_ context.Context, r UserRequest) (User, error) {
	f.asked = append(f.asked, "change", r)
	return User{Name: r.Name, Role: r.Role}, f.err
}

func (f *fake) RemoveUser(_ context.Context, r UserRequest) error {
	f.asked = append(f.asked, "remove", r)
	return f.err
}

func TestUserVerbsGoThrough(t *testing.T) {
	f := &fake{}
	c := client(t, f)
	add := UserRequest{Name: "bob", Role: "guest", For: time.Hour, Password: "tall order of chips"}
	change := UserRequest{Name: "bob", Role: "admin"}
	added, err1 := c.AddUser(t.Context(), add)
	changed, err2 := c.ChangeUser(t.Context(), change)
	err3 := c.RemoveUser(t.Context(), UserRequest{Name: "bob"})
	list, err4 := c.Users(t.Context())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if !added.Mail || changed.Role != "admin" || len(list) != 1 || list[0].Name != "bob" {
		t.Errorf("%v, %v, %v", added, changed, list)
	}
	want := []any{"add", add, "change", change, "remove", UserRequest{Name: "bob"}}
	if !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %v, want %v", f.asked, want)
	}
}
