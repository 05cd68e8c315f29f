package page

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/session"
)

// parts answer what the page shows and does.
type parts struct{ api.Parts }

// Ask says who answers what the page shows and does. It is for the beginning, before
// serve asks.
func (f *Feature) Ask(p api.Parts) {
	f.parts = parts{p}
	var err error
	if f.keeper, err = session.New(f.Paths.Page(), f.accounts, time.Now); err != nil {
		f.Log.Warn("devices that have logged in to the page before are forgotten", "error", err)
	}
}

// accounts are who may log in now, as they are in their files.
func (f *Feature) accounts() ([]account.User, string) {
	store := account.Store{Dir: f.Paths.Accounts()}
	users, _ := store.Users()       // one that cannot be read is a finding of another feature's, the others are there
	secret, _ := store.ReadSecret() // without one, names that do not exist are told apart less well
	return users, secret
}

// Answers says who answers what serve asks.
func (f *Feature) Answers(m *link.Mux) {
	link.Handle(m, link.LookAtPage, f.view)
	link.Handle(m, link.LogIn, f.logIn)
	link.Handle(m, link.Enrol, f.enrol)
	link.Handle(m, link.Act, f.act)
}

func (f *Feature) logIn(_ context.Context, q link.PageLogin) (link.PagePass, error) {
	return f.pass(f.keeper.Login(session.Login{Device: q.Device, Name: q.Name, Password: q.Password, Code: q.Code}))
}

func (f *Feature) enrol(_ context.Context, q link.PageCode) (link.PagePass, error) {
	return f.pass(f.keeper.Enrol(q.Token, q.Code, q.Device))
}

// pass is what serve hears of it.
func (f *Feature) pass(p session.Pass, err error) (link.PagePass, error) {
	answer := link.PagePass{Token: p.Token, User: p.Name, Secret: p.Secret}
	switch {
	case err == nil && p.Secret == "":
		f.Log.Info("somebody has logged in to the page", "user", p.Name)
	case err == nil:
	case err == session.ErrLogin:
		answer.Refused = link.PageWrong
	case err == session.ErrSlow:
		answer.Refused = link.PageSlow
	case err == session.ErrBusy:
		answer.Refused = link.PageBusy
	case err == session.ErrGone:
		answer.Refused = link.PageGone
	default:
		f.Log.Error("nobody can log in to the page", "error", err)
		answer = link.PagePass{Refused: link.PageFault}
	}
	return answer, nil
}

// logOut is the verb that ends a log-in.
const logOut = "logout"

// act shows or does what a user may. serve may have been taken over: the token says who
// asks, and the role that they have now what they may.
func (f *Feature) act(ctx context.Context, q link.PageAct) (link.PageAnswer, error) {
	v, ok := f.verbs()[q.Verb]
	find := f.keeper.Who
	if v.live {
		find = f.keeper.Peek
	}
	who, err := find(q.Token)
	if err != nil {
		return link.PageAnswer{Gone: true}, nil
	}
	if q.Verb == logOut {
		f.keeper.End(q.Token)
		return link.PageAnswer{Gone: true}, nil
	}
	if !ok || !v.may(who.Role) {
		f.Log.Warn("the page has asked for what its user may not", "user", who.Name, "verb", q.Verb)
		return link.PageAnswer{Bar: true, Error: "this is for admins"}, nil
	}
	answer, err := v.do(ctx, who, q.Body)
	if err != nil {
		return failed(err), nil
	}
	if v.changes {
		f.Log.Info("changed from the page", "user", who.Name, "verb", q.Verb)
	}
	body, err := json.Marshal(answer)
	return link.PageAnswer{Body: body}, err
}

// failed is a failure with what to do.
func failed(err error) link.PageAnswer {
	if p, ok := errors.AsType[*api.Failure](err); ok {
		return link.PageAnswer{Error: p.Problem.Error, Hint: p.Hint}
	}
	return link.PageAnswer{Error: err.Error()}
}
