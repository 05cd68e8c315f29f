package phones

import (
	"context"
	"errors"
	"fmt"

	"tunic/gateway/api"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// fault is of verbs about phones.
var fault = feature.Faults([]health.Code{health.TorRefused}, health.ServeProblem, health.OnionKeys, health.PhoneShutOut)

// AddPhone writes a phone's file and applies it. The onion has an address when it returns.
func (f Feature) AddPhone(ctx context.Context, r api.PhoneRequest) (api.Phone, error) {
	p := config.Phone{Name: r.Name, User: r.User, Key: r.Key}
	if err := config.CheckPhoneName(r.Name); err != nil {
		return api.Phone{}, feature.Usage(err, "example: tunic away add annphone --user ann")
	}
	if now := f.host.Now(); !now.Config.XMPP() {
		if _, mail := now.Config.Mail(); !mail {
			return api.Phone{}, feature.Usage(errors.New("the box has neither mail nor chat of its own, so a phone would reach nothing"),
				"docs/mail.md and docs/chat.md say how to have them")
		}
	}
	err := f.host.Edit(ctx, f.Onions.WithNewKeys(p.Onion(), feature.Edit{
		Files: []string{f.Paths.PhoneFile(p.Name)},
		Write: func() error { return f.write(p) },
		Load:  true,
		Fault: fault,
	}))
	if err != nil {
		return api.Phone{}, err
	}
	return describe(f.host.Now().Scene, p), nil
}

// write makes the file of a phone of somebody who lives here.
func (f Feature) write(p config.Phone) error {
	if !f.isUser(p.User) {
		return feature.Usage(fmt.Errorf("no user is called %q", p.User), "`tunic user list` lists the names, `tunic user add` adds one")
	}
	err := config.WritePhone(f.Paths, p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, config.ErrExists):
		return feature.Usage(fmt.Errorf("there is already a phone called %q", p.Name),
			"for another key, `tunic away remove "+p.Name+"` first; or give this phone another name")
	}
	return feature.Usage(err, "example: tunic away add annphone --user ann")
}

// RemovePhone removes a phone's file and applies that: what it has open is cut, and its
// onion is gone for good.
func (f Feature) RemovePhone(ctx context.Context, r api.PhoneName) error {
	return f.host.Edit(ctx, feature.Edit{
		Files: []string{f.Paths.PhoneFile(r.Name)},
		Write: func() error {
			if err := config.RemovePhone(f.Paths, r.Name); err != nil {
				return feature.Usage(err, "`tunic away` lists the names")
			}
			return nil
		},
		Load:  true,
		Fault: fault,
		Last: func() error {
			return errors.Join(f.Onions.ForgetKeys(config.Phone{Name: r.Name}.Onion()), ca.Forget(f.Paths.CA(), leafName(r.Name)))
		},
	})
}
