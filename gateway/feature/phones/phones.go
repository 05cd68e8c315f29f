// Package phones is the household's phones that are away from home, as a feature: each
// has an onion of its own, files phones/NAME.toml, by which it reaches the box's mail and
// chat. (Package gateway/away is about friends' boxes that are off.)
package phones

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// Onions keeps the keys of phones' onions.
type Onions interface {
	// WithNewKeys has an edit whose undoing takes away the keys that it made.
	WithNewKeys(name string, e feature.Edit) feature.Edit
	// ForgetKeys deletes those of one that is not published any more.
	ForgetKeys(name string) error
}

// Parts are what the feature asks.
type Parts struct {
	Paths  config.Paths
	Log    *slog.Logger
	Onions Onions
}

// Feature answers api.Phones.
type Feature struct {
	Parts
	host feature.Host
}

var (
	_ feature.Feature  = Feature{}
	_ feature.Amender  = Feature{}
	_ feature.Reporter = Feature{}
	_ api.Phones       = Feature{}
)

// New returns the feature. Without a host it answers nobody.
func New(host feature.Host, p Parts) Feature { return Feature{p, host} }

// Name implements feature.Feature.
func (Feature) Name() string { return "phones" }

// Amend implements feature.Amender: a phone whose user is gone is shut out.
func (f Feature) Amend(c *config.Config) *config.Config {
	if f.host == nil || len(c.Phones) == 0 {
		return c
	}
	amended := *c
	amended.Phones = slices.DeleteFunc(slices.Clone(c.Phones), func(p config.Phone) bool { return !f.isUser(p.User) })
	return &amended
}

// isUser reports whether somebody has an account. One that cannot be read is none.
func (f Feature) isUser(name string) bool {
	users, err := account.Store{Dir: f.Paths.Accounts()}.Users()
	if err != nil {
		f.Log.Debug("reading the accounts for phones failed", "error", err)
	}
	return slices.ContainsFunc(users, func(u account.User) bool { return u.Name == name })
}

// Look implements feature.Feature. It keeps a certificate for each phone, by the names of
// its onion, after the authority was made.
func (f Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if s.Written != nil {
		findShutOut(s, r)
	}
	var certificates []link.TLS
	for _, p := range s.Config.Phones {
		leaf, err := issueLeaf(s, p)
		if err != nil {
			r.Uncertified(err)
		}
		if leaf.Key != "" {
			certificates = append(certificates, link.TLS{Cert: leaf.Cert, Key: leaf.Key})
		}
	}
	return feature.Want(want, certificates)
}

func want(s feature.Scene, d *feature.Desired, certificates []link.TLS) {
	d.Serve.PhoneTLS = append(d.Serve.PhoneTLS, certificates...)
	wantNames(s, d)
}

// wantNames has devices of the house reach the servers themselves by a phone's onion, as what
// they are: by the onion, to which the box has a key, each of them would be the phone.
func wantNames(s feature.Scene, d *feature.Desired) {
	for _, p := range s.Config.Phones {
		addresses := slices.Clone(s.Former[p.Onion()])
		if now, ok := s.Addresses[p.Onion()]; ok {
			addresses = append(addresses, now)
		}
		for _, a := range addresses {
			d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Onion: link.Key(peer.KeyOf(a)), Box: true})
		}
	}
}

// findShutOut says which phones reach nothing, and why.
func findShutOut(s *feature.Scene, r *feature.Report) {
	for _, p := range s.Written.Phones {
		_, in := s.Config.PhoneOf(p.Onion())
		switch o, _ := s.Config.Onion(p.Onion()); {
		case !in:
			r.Find(health.PhoneShutOut, p.Name, "the phone %s is shut out: there is no user called %s", p.Name, p.User)
		case len(o.Ports) == 0:
			r.Find(health.PhoneShutOut, p.Name, "the phone %s reaches nothing: the box has neither mail nor chat of its own", p.Name)
		}
	}
}

// issueLeaf makes the certificate of a phone's onion, or keeps it. Where there is no
// authority another feature has said so.
func issueLeaf(s *feature.Scene, p config.Phone) (leaf ca.Leaf, err error) {
	address, ok := s.Addresses[p.Onion()]
	switch {
	case !ok, s.Authority == nil && !s.Foreseen:
		return leaf, nil
	case s.Authority == nil:
		return ca.Leaf{Cert: feature.ToBeMade, Key: feature.ToBeMade}, nil
	}
	var names []string
	for _, a := range append(slices.Clone(s.Former[p.Onion()]), address) {
		names = append(names, a.Host(), string(a)+config.PeerDomain)
	}
	leaf, err = s.Authority.Leaf(leafName(p.Name), names, s.Certain)
	if s.Foreseen && errors.Is(err, ca.ErrClock) { // nothing is made for a plan
		return ca.Leaf{Cert: feature.ToBeMade, Key: feature.ToBeMade}, nil
	}
	return leaf, err
}

// leafName is the name of a phone's certificate among those of the authority.
func leafName(phone string) string { return "phone-" + phone }

// Report implements feature.Reporter.
func (f Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Phones = []api.Phone{}
	if s.Written == nil {
		return
	}
	for _, p := range s.Written.Phones {
		one := describe(s, p)
		for _, o := range status.Onions {
			if o.Name == one.Onion {
				one.Published, one.Streams, one.Active = o.Published, o.Streams, o.Active
			}
		}
		status.Phones = append(status.Phones, one)
	}
}

// describe is a phone as far as the scene knows it.
func describe(s feature.Scene, p config.Phone) api.Phone {
	one := api.Phone{Name: p.Name, User: p.User, Onion: p.Onion(), Ports: []uint16{}}
	if domain, ok := s.Domain(); ok {
		one.Login = p.User + "@" + domain
	}
	_, in := s.Config.PhoneOf(p.Onion())
	one.ShutOut = !in
	if address, ok := s.Addresses[p.Onion()]; ok && in {
		one.Address = address.Host()
	}
	o, _ := s.Config.Onion(p.Onion())
	for _, port := range o.Ports {
		one.Ports = append(one.Ports, port.Virtual)
	}
	return one
}
