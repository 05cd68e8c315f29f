package people

import (
	"cmp"
	"context"
	"errors"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// guestFor is how long a guest's account lasts if nobody says.
const guestFor = 7 * 24 * time.Hour

// Accounts does what the verbs about users ask for. Its methods are for one
// process at a time: the daemon, or a verb while none runs.
type Accounts struct {
	account.Store
	Domain string // of the box's addresses; "" while it has no keys
}

// accounts are those of this box.
func (f Feature) accounts() Accounts {
	now := f.host.Now()
	a := Accounts{Store: account.Store{Dir: now.Paths.Accounts()}}
	if home := now.Addresses[config.HomeOnion]; home != "" {
		a.Domain = string(home) + config.PeerDomain
	}
	return a
}

// Users implements api.Users.
func (f Feature) Users(context.Context) ([]api.User, error) { return f.accounts().List() }

// AddUser implements api.Users.
func (f Feature) AddUser(ctx context.Context, r api.UserRequest) (api.User, error) {
	return f.withUser(ctx, r, f.accounts().Create)
}

// ChangeUser implements api.Users.
func (f Feature) ChangeUser(ctx context.Context, r api.UserRequest) (api.User, error) {
	return f.withUser(ctx, r, f.accounts().Update)
}

// RemoveUser implements api.Users.
func (f Feature) RemoveUser(ctx context.Context, r api.UserRequest) error {
	_, err := f.withUser(ctx, r, func(r api.UserRequest, _ account.Record) (api.User, error) {
		return api.User{}, f.accounts().Delete(r)
	})
	return err
}

// withUser makes the record of the request's password, which takes a while,
// then has the request carried out in the loop, and the servers told.
func (f Feature) withUser(ctx context.Context, r api.UserRequest,
	do func(api.UserRequest, account.Record) (api.User, error)) (api.User, error) {
	record, err := NewRecord(r)
	if err != nil {
		return api.User{}, err
	}
	var u api.User
	err = f.host.Edit(ctx, feature.Edit{
		Files: []string{f.accounts().Dir},
		Write: func() (err error) {
			u, err = do(r, record)
			return err
		},
		Fault: feature.Faults(nil, health.AccountUnusable, health.MailboxUnusable, health.XMPPUnusable),
	})
	if err != nil {
		return api.User{}, err
	}
	return u, nil
}

// NewRecord checks a request's password and makes its record. Without a
// password there is none.
func NewRecord(r api.UserRequest) (account.Record, error) {
	if r.Password == "" {
		return account.Record{}, nil
	}
	if err := account.CheckPassword(r.Name, r.Password); err != nil {
		return account.Record{}, feature.Usage(err, "leave it empty at the question to have one generated")
	}
	return account.NewRecord(r.Password)
}

// List returns all accounts.
func (a Accounts) List() ([]api.User, error) {
	users, err := a.Users()
	list := make([]api.User, len(users))
	for i, u := range users {
		list[i] = a.describe(u)
	}
	return list, err
}

func (a Accounts) describe(u account.User) api.User {
	d := api.User{Name: u.Name, Role: string(u.Role), Mail: u.HasMail()}
	if u.Role == account.Guest {
		d.Until = &u.Until
	}
	if a.Domain != "" {
		d.Address = u.Name + "@" + a.Domain
	}
	return d
}

// Create adds an account.
func (a Accounts) Create(r api.UserRequest, record account.Record) (api.User, error) {
	if err := account.CheckName(r.Name); err != nil {
		return api.User{}, feature.Usage(err, "example: tunic user add bob")
	}
	if record == (account.Record{}) {
		return api.User{}, feature.Usage(errors.New("the new user has no password"), "")
	}
	u := account.User{Name: r.Name, Role: account.Member, Record: record}
	if others, err := a.Users(); err == nil && len(others) == 0 {
		u.Role = account.Admin
	}
	if err := setRole(&u, r); err != nil {
		return api.User{}, err
	}
	if err := a.Add(u); err != nil {
		return api.User{}, explainUser(err)
	}
	return a.describe(u), nil
}

// Update changes an account's password or role.
func (a Accounts) Update(r api.UserRequest, record account.Record) (api.User, error) {
	u, err := a.Change(r.Name, func(u *account.User) error {
		if record != (account.Record{}) {
			u.Record = record
		}
		return setRole(u, r)
	})
	if err != nil {
		return api.User{}, explainUser(err)
	}
	return a.describe(u), nil
}

// Delete takes an account away; the mailbox stays.
func (a Accounts) Delete(r api.UserRequest) error { return explainUser(a.Remove(r.Name)) }

// setRole gives u the role that was asked for.
func setRole(u *account.User, r api.UserRequest) error {
	if r.Role != "" {
		role, err := account.ParseRole(r.Role)
		if err != nil {
			return feature.Usage(err, "a guest has chat only, for a while")
		}
		u.Role = role
	}
	switch {
	case r.For < 0 || r.For > 0 && u.Role != account.Guest:
		return feature.Usage(errors.New("only a guest's account lasts for a time, which begins now"),
			"example: tunic user role carol guest --for 48h")
	case u.Role != account.Guest:
		u.Until = time.Time{}
	case r.For > 0 || u.Until.IsZero():
		u.Until = time.Now().Add(cmp.Or(r.For, guestFor)).Round(time.Second)
	}
	return nil
}

// explainUser adds what to do next.
func explainUser(err error) error {
	hint := ""
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*api.Failure)):
		return err
	case errors.Is(err, account.ErrExists):
		hint = "`tunic user passwd NAME` gives a user another password"
	case errors.Is(err, account.ErrNoUser):
		hint = "`tunic user list` has the names"
	case errors.Is(err, account.ErrLastAdmin):
		hint = "at least one admin must remain: make another user admin first, with `tunic user role NAME admin`"
	default:
		return err
	}
	return feature.Usage(err, hint)
}
