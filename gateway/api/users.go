package api

import (
	"context"
	"time"
)

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
	return ask(ctx, c, verbUsers, struct{}{})
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, r UserRequest) (User, error) {
	return ask(ctx, c, verbAddUser, r)
}

// ChangeUser gives an account another password or role.
func (c *Client) ChangeUser(ctx context.Context, r UserRequest) (User, error) {
	return ask(ctx, c, verbChangeUser, r)
}

// RemoveUser takes an account away.
func (c *Client) RemoveUser(ctx context.Context, r UserRequest) error {
	_, err := ask(ctx, c, verbRemoveUser, r)
	return err
}
