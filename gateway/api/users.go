package api

import (
	"context"
	"net/http"
	"time"
)

// Users is the part of the gateway that keeps the household's accounts.
type Users interface {
	Users(ctx context.Context) ([]User, error)
	AddUser(ctx context.Context, r UserRequest) (User, error)
	ChangeUser(ctx context.Context, r UserRequest) (User, error)
	RemoveUser(ctx context.Context, r UserRequest) error
}

// User is one account.
type User struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`              // "admin", "member", "guest"
	Until   *time.Time `json:"until,omitempty"`   // when a guest's account ends
	Address string     `json:"address,omitempty"` // of mail and chat; absent while the box has no keys
	Mail    bool       `json:"mail"`              // it has a mailbox
}

// UserRequest adds or changes an account. When it changes one, empty fields
// stay as they are.
type UserRequest struct {
	Name     string        `json:"name"`
	Role     string        `json:"role,omitempty"`     // of a new one: admin for the first, then member
	For      time.Duration `json:"for,omitempty"`      // how long a guest's account lasts
	Password string        `json:"password,omitempty"` // the socket is root's alone
}

// Users lists the accounts.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	var list []User
	return list, c.call(ctx, http.MethodGet, "/users", nil, &list)
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, r UserRequest) (User, error) {
	var u User
	return u, c.call(ctx, http.MethodPost, "/user/add", r, &u)
}

// ChangeUser gives an account another password or role.
func (c *Client) ChangeUser(ctx context.Context, r UserRequest) (User, error) {
	var u User
	return u, c.call(ctx, http.MethodPost, "/user/change", r, &u)
}

// RemoveUser takes an account away.
func (c *Client) RemoveUser(ctx context.Context, r UserRequest) error {
	return c.call(ctx, http.MethodPost, "/user/remove", r, nil)
}

func handleUsers(mux *http.ServeMux, g Users) {
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		list, err := g.Users(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("POST /user/add", handle(g.AddUser))
	mux.HandleFunc("POST /user/change", handle(g.ChangeUser))
	mux.HandleFunc("POST /user/remove", handle(func(ctx context.Context, r UserRequest) (struct{}, error) {
		return struct{}{}, g.RemoveUser(ctx, r)
	}))
}
