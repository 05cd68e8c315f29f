package serve

import (
	"reflect"

	"tunic/gateway/account"
	"tunic/gateway/link"
)

// setUsers replaces the book of those who may log in. Who is logged in stays so.
func (a *application) setUsers(want link.Users) {
	if reflect.DeepEqual(a.users, want) {
		return
	}
	var users []account.User
	for _, u := range want.List {
		record, err := account.ParseRecord(u.Record)
		if err != nil {
			a.fail("the user %s cannot log in: %v", u.Name, err)
			continue
		}
		users = append(users, account.User{Name: u.Name, Role: account.Role(u.Role), Record: record})
	}
	a.book.Store(account.NewBook(want.Secret, users))
	a.users = want
}
