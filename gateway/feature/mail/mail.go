// Package mail is the household's mail as a feature: what serve does with it, the
// IMAP server and the mailboxes, and the pages by which mail programs find both.
package mail

import (
	"context"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// Feature answers api.Mail, and serve, which has mail signed.
type Feature struct {
	host  feature.Host
	queue Queue
}

var (
	_ feature.Feature = Feature{}
	_ api.Mail        = Feature{}
)

// New returns the feature. Without a host and a queue it answers nobody.
func New(host feature.Host, queue Queue) Feature { return Feature{host, queue} }

// Name implements feature.Feature.
func (Feature) Name() string { return "mail" }

// Look implements feature.Feature. It reads the password for the mail provider's
// server, and makes a mailbox for each user who has mail.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	c, ok := s.Config.Mail()
	if !ok {
		return feature.Wish{}
	}
	password, err := smarthostPassword(c.Smarthost)
	if err != nil {
		r.Find(health.SmarthostUnusable, "", "mail to the internet is refused: %v", err)
	}
	r.NeedUser(s.Mail, "dovecot", config.MailUser, "nobody can read mail")
	if !s.Foreseen {
		if err := makeMailboxes(*s); err != nil {
			r.Find(health.MailboxUnusable, "", "%v", err)
		}
	}
	phones := phonesOnions(*s)
	return feature.Want(want, found{password, phones})
}

// found is what the wish depends on beside the scene.
type found struct {
	password string // at the smarthost
	phones   []string
}

func want(s feature.Scene, d *feature.Desired, f found) {
	c, ok := s.Config.Mail()
	home, made := s.Home()
	if !ok || !made {
		return
	}
	addEndpoint(s, d, c, home, f.password)
	d.Serve.Mail.Phones = f.phones
	addIMAP(s, d, c.Quota)
	addSetup(s, d)
}

// addEndpoint wants the mail endpoint with everybody whom it has to know.
func addEndpoint(s feature.Scene, d *feature.Desired, c config.SMTP, home onion.Address, password string) {
	m := &link.Mail{Dir: s.Paths.Mail(), Home: string(home), MaxSize: c.MaxSize, Quota: c.Quota}
	if c.Strangers {
		m.Strangers = string(s.Addresses[config.StrangersOnion])
	}
	for _, old := range s.Former[config.HomeOnion] {
		m.Former = append(m.Former, string(old))
	}
	for _, p := range s.Config.Peers {
		m.Friends = append(m.Friends, link.MailFriend{Name: p.Name, Key: p.Onion})
	}
	for _, g := range s.Config.Groups {
		m.Groups = append(m.Groups, groupOf(g, home, s.Config.Peers))
	}
	m.Listeners = d.Door(s, feature.Door{Name: "submission", Public: config.SubmissionPort, Internal: config.ServeSubmissionPort})
	if h := c.Smarthost; h != nil && password != "" {
		m.Smarthost = &link.Smarthost{Host: h.Host, Port: h.Port, User: h.User, Password: password, From: h.From}
	}
	d.Serve.Mail = m
}

// groupOf writes out the members' addresses as every house knows them.
func groupOf(g config.Group, home onion.Address, peers []config.Peer) link.MailGroup {
	m := link.MailGroup{Name: g.Name, Title: g.Title}
	for _, member := range g.Members {
		key := string(home)
		if member.Onion != "" {
			key = member.Onion
		}
		if i := slices.IndexFunc(peers, func(p config.Peer) bool { return p.Name == member.Petname }); i >= 0 {
			key = peers[i].Onion
		}
		m.Members = append(m.Members, member.Local+"@"+key+config.PeerDomain)
	}
	return m
}
