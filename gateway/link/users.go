package link

// Users are the household's accounts.
type Users struct {
	Secret string // of account.NewBook
	List   []User
}

// User is one account. Its record is as secret as a password, so it hides from
// logs.
type User struct {
	Name   string
	Role   string // "admin", "member", "guest"
	Record string // account.Record.Encode
}

func (u User) String() string   { return u.Name }
func (u User) GoString() string { return u.Name }
