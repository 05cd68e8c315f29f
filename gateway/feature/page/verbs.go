package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/session"
)

// verb is something that a role may ask for.
type verb struct {
	admins  bool // only they may; else members may too
	changes bool // it is logged
	live    bool // a page that is open asks again and again: that is no use of a log-in
	do      func(ctx context.Context, who session.Who, body json.RawMessage) (any, error)
}

// verbs are all that can be asked of the page, by members and by admins. What is not
// here no role may, and so no serve that was taken over can ask for it: keys, the
// configuration but for some settings (decision 90), what makes an onion known to
// relays, another interface.
func (f *Feature) verbs() map[string]verb {
	return map[string]verb{
		"me":          {do: func(ctx context.Context, who session.Who, _ json.RawMessage) (any, error) { return f.me(ctx, who) }},
		"state":       {do: get(f.state)},
		"friends":     {do: get(f.friendsOfMembers)},
		"status":      {admins: true, do: get(func(ctx context.Context) (api.Status, error) { return f.Daemon.Status(ctx), nil })},
		"live":        {admins: true, live: true, do: get(f.live)},
		"live/status": {admins: true, live: true, do: get(f.liveStatus)},
		"devices":     {admins: true, do: get(f.devices)},
		"device":      {admins: true, changes: true, do: ask(f.setDevice)},
		"why":         {admins: true, do: ask(f.why)},
		"onions":      {admins: true, do: get(f.onions)},
		"publish":     {admins: true, changes: true, do: ask(f.publish)},
		"unpublish":   {admins: true, changes: true, do: ask(f.unpublish)},
		"rotate":      {admins: true, changes: true, do: ask(f.rotate)},
		"grant":       {admins: true, changes: true, do: done(f.grant)},
		"revoke":      {admins: true, changes: true, do: done(f.revoke)},
		"peers":       {admins: true, do: get(f.peers)},
		"invite":      {admins: true, changes: true, do: ask(f.invite)},
		"accept":      {admins: true, changes: true, do: ask(f.accept)},
		"confirm":     {admins: true, changes: true, do: ask(f.confirm)},
		"forget":      {admins: true, changes: true, do: done(f.forget)},
		"mail":        {admins: true, do: get(f.post)},
		"mail/flush":  {admins: true, changes: true, do: ask(f.flushMail)},
		"mail/drop":   {admins: true, changes: true, do: done(f.dropMail)},
		"users":       {admins: true, do: get(f.users)},
		"user/add":    {admins: true, changes: true, do: ask(f.addUser)},
		"user/remove": {admins: true, changes: true, do: f.removeUser},

		"phone/remove":     {admins: true, changes: true, do: done(f.removePhone)},
		"leaks":            {admins: true, live: true, do: get(f.leaks)},
		"report":           {admins: true, do: get(f.report)},
		"settings":         {admins: true, do: get(f.settings)},
		"settings/plan":    {admins: true, do: ask(f.planSettings)},
		"settings/apply":   {admins: true, changes: true, do: f.applySettings},
		"settings/confirm": {admins: true, changes: true, do: done(f.confirmSettings)},
		"settings/back":    {admins: true, changes: true, do: done(f.takeBackSettings)},
	}
}

func get[A any](do func(context.Context) (A, error)) func(context.Context, session.Who, json.RawMessage) (any, error) {
	return func(ctx context.Context, _ session.Who, _ json.RawMessage) (any, error) { return do(ctx) }
}

func ask[Q, A any](do func(context.Context, Q) (A, error)) func(context.Context, session.Who, json.RawMessage) (any, error) {
	return func(ctx context.Context, _ session.Who, body json.RawMessage) (any, error) {
		q, err := read[Q](body)
		if err != nil {
			return nil, err
		}
		return do(ctx, q)
	}
}

func done[Q any](do func(context.Context, Q) error) func(context.Context, session.Who, json.RawMessage) (any, error) {
	return ask(func(ctx context.Context, q Q) (struct{}, error) { return struct{}{}, do(ctx, q) })
}

func read[Q any](body json.RawMessage) (q Q, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return q, feature.Usage(fmt.Errorf("reading the request: %w", err), "")
	}
	if dec.More() {
		return q, feature.Usage(errors.New("reading the request: there is more behind it"), "")
	}
	return q, nil
}

func (f *Feature) me(ctx context.Context, who session.Who) (api.Me, error) {
	list, err := f.parts.Users.Users(ctx)
	for _, u := range list {
		if u.Name == who.Name {
			c := f.host.Now().Config
			_, mail := c.Mail()
			return api.Me{User: u, HasMail: mail && u.Mail, HasChat: c.XMPP()}, nil
		}
	}
	return api.Me{}, errors.Join(errors.New("there is no such user"), err)
}

func (f *Feature) state(ctx context.Context) (api.Fridge, error) {
	return f.Daemon.Status(ctx).Fridge(), nil
}

// friendsOfMembers are friends' boxes as every member may see them: who they are, and
// what they share.
func (f *Feature) friendsOfMembers(ctx context.Context) ([]api.Peer, error) {
	all, err := f.Peers.Peers(ctx)
	list := []api.Peer{}
	for _, p := range all {
		if p.State == api.PeerFriend {
			list = append(list, api.Peer{Name: p.Name, State: p.State, Address: p.Address, Reachable: p.Reachable, LastSeen: p.LastSeen,
				Endpoints: p.Endpoints, Onions: p.Onions})
		}
	}
	return list, err
}

func (f *Feature) devices(ctx context.Context) ([]api.Device, error) { return f.Devices.Devices(ctx) }

func (f *Feature) setDevice(ctx context.Context, r api.DeviceRequest) (api.Device, error) {
	return f.Devices.SetDevice(ctx, r)
}

func (f *Feature) onions(ctx context.Context) (api.Published, error) {
	list, err := config.LoadProfiles(f.Paths)
	status := f.Daemon.Status(ctx)
	p := api.Published{Phones: status.Phones}
	for _, o := range status.Onions {
		if !slices.ContainsFunc(p.Phones, func(one api.Phone) bool { return one.Onion == o.Name }) {
			p.Onions = append(p.Onions, o)
		}
	}
	for _, profile := range list {
		p.Profiles = append(p.Profiles, profile.Name)
	}
	return p, err
}

// publish makes no onion that is not anonymous: that is decided at the box.
func (f *Feature) publish(ctx context.Context, r api.PublishRequest) (api.Onion, error) {
	if r.Fast {
		return api.Onion{}, feature.Usage(errors.New("an onion that is not anonymous is not published from the page"),
			"use `tunic publish --fast` on the box")
	}
	return f.Onions.Publish(ctx, r)
}

// unpublish deletes no keys: that is for good.
func (f *Feature) unpublish(ctx context.Context, r api.UnpublishRequest) (struct{}, error) {
	if r.ForgetKey {
		return struct{}{}, feature.Usage(errors.New("keys are not deleted from the page"), "use `tunic unpublish --forget-key` on the box")
	}
	return struct{}{}, f.Onions.Unpublish(ctx, r)
}

// rotate gives home no other address: mail, chat and friends know this box by it.
func (f *Feature) rotate(ctx context.Context, r api.RotateRequest) (api.Onion, error) {
	if r.NewIdentity {
		return api.Onion{}, feature.Usage(errors.New("the box gets no new identity from the page"),
			"use `tunic rotate home --new-identity` on the box")
	}
	return f.Onions.Rotate(ctx, r)
}

func (f *Feature) grant(ctx context.Context, r api.GrantRequest) error {
	return f.Onions.GrantClient(ctx, r)
}
func (f *Feature) revoke(ctx context.Context, r api.RevokeRequest) error {
	return f.Onions.RevokeClient(ctx, r)
}

// removePhone is for a phone that is lost; one is added at the box, which shows its key.
func (f *Feature) removePhone(ctx context.Context, r api.PhoneName) error {
	return f.Phones.RemovePhone(ctx, r)
}

func (f *Feature) peers(ctx context.Context) ([]api.Peer, error) { return f.Peers.Peers(ctx) }

func (f *Feature) invite(ctx context.Context, r api.InviteRequest) (api.Invitation, error) {
	if r.Auto {
		return api.Invitation{}, feature.Usage(errors.New("an invitation without comparing words is not made from the page"),
			"use `tunic invite` on the box")
	}
	return f.Peers.Invite(ctx, r)
}

func (f *Feature) accept(ctx context.Context, r api.AcceptRequest) (api.Peer, error) {
	return f.Peers.Accept(ctx, r)
}

func (f *Feature) confirm(ctx context.Context, r api.PeerRequest) (api.Peer, error) {
	return f.Peers.Confirm(ctx, r)
}

func (f *Feature) forget(ctx context.Context, r api.PeerRequest) error { return f.Peers.Forget(ctx, r) }

func (f *Feature) report(ctx context.Context) (api.Reported, error) {
	peers, err := f.Peers.Peers(ctx)
	users, err2 := f.parts.Users.Users(ctx)
	r := api.NewReport(f.Daemon.Status(ctx), peers, users)
	return api.Reported{Text: r.String(), Lines: f.Parts.Lines()}, errors.Join(err, err2)
}

func (f *Feature) leaks(ctx context.Context) (api.Leaks, error) { return f.Parts.Leaks(ctx) }

func (f *Feature) users(ctx context.Context) ([]api.User, error) { return f.parts.Users.Users(ctx) }

func (f *Feature) addUser(ctx context.Context, r api.UserRequest) (api.User, error) {
	return f.parts.Users.AddUser(ctx, r)
}

// removeUser removes nobody who asks for it: they would be shut out with the answer.
func (f *Feature) removeUser(ctx context.Context, who session.Who, body json.RawMessage) (any, error) {
	r, err := read[api.UserRequest](body)
	if err != nil {
		return nil, err
	}
	if r.Name == who.Name {
		return nil, feature.Usage(errors.New("you cannot remove yourself here"), "another admin can, or `tunic user remove` on the box")
	}
	return struct{}{}, f.parts.Users.RemoveUser(ctx, r)
}

// may reports whether a role may ask for a verb.
func (v verb) may(r account.Role) bool { return r == account.Admin || r == account.Member && !v.admins }
