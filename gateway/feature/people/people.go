// Package people is who lives in the house as a feature: their accounts, and the
// certificates by which their devices know the box.
package people

import (
	"context"
	"errors"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// Feature answers api.Users.
type Feature struct{ host feature.Host }

var _ feature.Feature = Feature{}

// New returns the feature. Without a host it answers no verb.
func New(host feature.Host) Feature { return Feature{host} }

// Name implements feature.Feature.
func (Feature) Name() string { return "people" }

// Look implements feature.Feature. It ends what guests have no more, learns who
// is left, and keeps the certificates right.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	secret := look(s, r)
	leaf, err := issueLeaf(s)
	if err != nil {
		r.Uncertified(err)
	}
	return feature.Want(want, found{secret, leaf})
}

// found is what the wish depends on beside the scene.
type found struct {
	secret string
	leaf   ca.Leaf
}

// want wants users known, and serve to have a certificate.
func want(s feature.Scene, d *feature.Desired, f found) {
	addUsers(d, s.Users, f.secret)
	addTLS(d, f.leaf)
}

// look ends what guests have no more, and learns who is left.
func look(s *feature.Scene, r *feature.Report) (secret string) {
	store := account.Store{Dir: s.Paths.Accounts()}
	if s.Foreseen {
		s.Users, _ = store.Users()
		secret, _ = store.ReadSecret()
		return secret
	}
	users, err := store.Expire(time.Now())
	secret, err2 := store.Secret()
	if err := errors.Join(err, err2); err != nil {
		r.Find(health.AccountUnusable, "", "%v", err)
	}
	s.Users = users
	return secret
}

// addUsers tells serve who may log in.
func addUsers(d *feature.Desired, users []account.User, secret string) {
	d.Serve.Users.Secret = secret
	for _, u := range users {
		d.Serve.Users.List = append(d.Serve.Users.List, link.User{Name: u.Name, Role: string(u.Role), Record: u.Record.Encode()})
	}
}

// serveLeaf is the file of serve's certificate.
const serveLeaf = "serve"

// issueLeaf makes the household's certificate authority at the first start, and
// keeps serve's certificate right: for the names that the box has now, and for
// long enough.
func issueLeaf(s *feature.Scene) (ca.Leaf, error) {
	authority, err := ca.Load(s.Paths.CA(), s.Certain)
	if err != nil {
		return ca.Leaf{}, err
	}
	s.Authority = authority
	return authority.Leaf(serveLeaf, ownNames(s), s.Certain)
}

// ownNames are the names by which devices know the box itself, and friends'
// boxes, for which it speaks (see serve's files).
func ownNames(s *feature.Scene) []string {
	names := []string{config.BoxName, "*" + config.PeerDomain}
	if home, ok := s.Addresses[config.HomeOnion]; ok {
		names = append(names, string(home)+config.PeerDomain, home.Host())
	}
	return names
}

// addTLS gives serve its certificate.
func addTLS(d *feature.Desired, leaf ca.Leaf) {
	if leaf.Key != "" {
		d.Serve.TLS = &link.TLS{Cert: leaf.Cert, Key: leaf.Key}
	}
}
