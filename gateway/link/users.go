package link

import "fmt"

// Users are the household's accounts. Their secret hides from logs.
type Users struct {
	Secret string // of account.NewBook
	List   []User
}

func (u Users) String() string   { return fmt.Sprint(u.List) }
func (u Users) GoString() string { return u.String() }

// User is one account. Its record is as secret as a password, so it hides from
// logs.
type User struct {
	Name   string
	Role   string // "admin", "member", "guest"
	Record string // account.Record.Encode
}

func (u User) String() string   { return u.Name }
func (u User) GoString() string { return u.Name }
