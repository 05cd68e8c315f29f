// Package xmpp is the box's XMPP server as a feature: Prosody with its
// certificate and the household's users, and the files of its rooms and of
// friends' ones.
package xmpp

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"tunic/gateway/account"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/endpoint/xmpp"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/rules"
)

// Feature knows which friends' boxes have come back. It is used in the loop alone.
type Feature struct{ comebacks map[onion.Address]comeback }

var _ feature.Feature = (*Feature)(nil)

// New returns the feature.
func New() *Feature { return new(Feature) }

// Name implements feature.Feature.
func (*Feature) Name() string { return "xmpp" }

// found is what the server depends on beside the scene.
type found struct {
	leaf ca.Leaf
	came map[onion.Address]string // changes when that friend's box has come back
}

// Look implements feature.Feature. It makes the server's certificate and the
// files of its users, and sees which friends' boxes have come back.
func (f *Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	domain, ok := s.Domain()
	if !s.Config.XMPP() || !ok {
		return feature.Wish{}
	}
	r.NeedUser(s.XMPP, "prosody", config.XMPPUser, "nobody can chat by XMPP")
	leaf, err := issueLeaf(*s, domain)
	if err != nil {
		r.Uncertified(err)
	}
	if !s.Foreseen {
		f.comebacks = follow(f.comebacks, s.Heard, func(who onion.Address) bool { return waits(s.Paths.XMPP(), domain, who) })
	}
	if !s.Foreseen && s.XMPP != (feature.IDs{}) {
		if err := writeUsers(s.Paths.XMPP(), domain, s.Users, s.XMPP); err != nil {
			r.Find(health.XMPPUnusable, "prosody", "XMPP: %v", err)
		}
	}
	return feature.Want(want, found{leaf, words(f.comebacks)})
}

// issueLeaf makes the server's certificate, or keeps it. Without an authority there
// is none, and another feature has said so.
func issueLeaf(s feature.Scene, domain string) (leaf ca.Leaf, err error) {
	made := s.Authority != nil
	if made {
		leaf, err = s.Authority.Leaf("xmpp", []string{domain, xmpp.Rooms(domain)}, s.Certain)
	}
	if s.Foreseen && (!made && unmade(s.Paths) || errors.Is(err, ca.ErrClock)) {
		return ca.Leaf{Cert: feature.ToBeMade, Key: feature.ToBeMade}, nil
	}
	return leaf, err
}

// unmade reports whether there is no authority yet; one that is damaged is not
// replaced.
func unmade(p config.Paths) bool {
	_, err := ca.Read(p.CA())
	return errors.Is(err, fs.ErrNotExist)
}

// want wants the server and the household's ways to it.
func want(s feature.Scene, d *feature.Desired, seen found) {
	domain, ok := s.Domain()
	if !ok || !s.Config.XMPP() || s.XMPP == (feature.IDs{}) || seen.leaf.Key == "" {
		return
	}
	settings := xmpp.Settings{Dir: s.Paths.Server("prosody"), Data: s.Paths.XMPP(), UID: s.XMPP.UID, GID: s.XMPP.GID, Host: domain,
		Clients: config.Loopback(config.ProsodyClientPort), Servers: config.Loopback(config.ProsodyServerPort),
		HTTP: config.Loopback(config.ProsodyFilesPort), PublicFiles: config.FilesPort, SOCKS: config.SocksPort,
		Certificate: seen.leaf.Cert, Key: seen.leaf.Key,
		Admins: account.Admins(s.Users), Users: accountsSum(s.Users), Peers: peers(s.Config, seen.came)}
	d.Servers = append(d.Servers, settings.Spec())
	d.May(s.XMPP, feature.OnLoopback(rules.ProtocolTCP, config.SocksPort)) // to friends' boxes
	d.May(s.Serve, feature.OnLoopback(rules.ProtocolTCP, config.ProsodyServerPort))
	d.Terminator(s, link.Terminator{Name: "xmpp", Server: settings.Clients, Remembers: true},
		feature.Door{Name: "xmpp", Public: config.XMPPPort, Internal: config.ServeXMPPPort})
	d.Terminator(s, link.Terminator{Name: config.FilesEndpoint, Server: settings.HTTP, TLS: true, Onion: true},
		feature.Door{Name: config.FilesEndpoint, Public: config.FilesPort, Internal: config.ServeFilesPort})
	d.Serve.Files = &link.Files{Listeners: d.Door(s,
		feature.Door{Name: "friends-files", Virtual: true, Public: config.FilesPort, Internal: config.ServeFriendsPort})}
}

// peers are the friends' servers.
func peers(c *config.Config, came map[onion.Address]string) (list []xmpp.Peer) {
	for _, p := range c.Peers {
		list = append(list, xmpp.Peer{Host: p.Onion + config.PeerDomain, Onion: p.Onion + ".onion", Came: came[onion.Address(p.Onion)]})
	}
	slices.SortFunc(list, func(a, b xmpp.Peer) int { return strings.Compare(a.Host, b.Host) })
	return list
}
