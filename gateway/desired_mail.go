package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
	"tunic/rules"
)

// submissionPort is where mail programs hand mail in (RFC 6409).
const submissionPort = 587

// addMail wishes the mail endpoint with everybody whom it has to know.
func addMail(d *Desired, in Inputs) {
	mail, ok := in.Config.Mail()
	home, made := in.Addresses[config.HomeOnion]
	if !ok || !made {
		return
	}
	m := &link.Mail{Dir: in.Paths.Mail(), Home: string(home), MaxSize: mail.MaxSize, Quota: mail.Quota}
	if mail.Strangers {
		m.Strangers = string(in.Addresses[config.StrangersOnion])
	}
	for _, old := range in.Former[config.HomeOnion] {
		m.Former = append(m.Former, string(old))
	}
	for _, p := range in.Config.Peers {
		m.Friends = append(m.Friends, link.MailFriend{Name: p.Name, Key: p.Onion})
	}
	for _, g := range in.Config.Groups {
		m.Groups = append(m.Groups, mailGroupOf(g, home, in.Config.Peers))
	}
	d.EachFamily(in.Scene, func(i InterfaceFacts, family string) {
		m.Listeners = append(m.Listeners, d.Listen("submission", i, "tcp"+family, config.ServeSubmissionPort))
	})
	if s := mail.Smarthost; s != nil && in.SmarthostPassword != "" {
		m.Smarthost = &link.Smarthost{Host: s.Host, Port: s.Port, User: s.User, Password: in.SmarthostPassword, From: s.From}
	}
	d.Serve.Mail = m
}

// maxPasswordFile is more than any password.
const maxPasswordFile = 1024

// readSmarthost reads the password for the mail provider's server. Without it
// no mail goes to the internet.
func (a *attempt) readSmarthost() {
	password, err := smarthostPassword(a.in.Config)
	if err != nil {
		a.find(health.SmarthostUnusable, "", "mail to the internet is refused: %v", err)
	}
	a.in.SmarthostPassword = password
}

// smarthostPassword reads it from its file; "" where there is no such server.
func smarthostPassword(c *config.Config) (password string, err error) {
	mail, ok := c.Mail()
	if !ok || mail.Smarthost == nil {
		return "", nil
	}
	path := mail.Smarthost.PasswordFile
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.Mode()&0o077 != 0:
		err = fmt.Errorf("others can read %s: run chmod 600 %s", path, path)
	case info.Size() > maxPasswordFile:
		err = fmt.Errorf("%s is too long for a password", path)
	default:
		var text []byte
		text, err = os.ReadFile(path)
		password = strings.TrimSpace(string(text))
	}
	if err == nil && password == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	return password, err
}

// mailGroupOf writes out the members' addresses as every house knows them.
func mailGroupOf(g config.Group, home onion.Address, peers []config.Peer) link.MailGroup {
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

// mailService opens the household's port for mail.
func mailService(c *config.Config) []rules.Service {
	if _, ok := c.Mail(); !ok {
		return nil
	}
	return []rules.Service{{Name: "submission", Public: submissionPort, Internal: config.ServeSubmissionPort}}
}

// SignMail signs the digest of a mail (RFC 8463) with the key of an onion of
// mail, and of no other. It is all that serve can have signed: 32 bytes.
func (g *Gateway) SignMail(_ context.Context, s link.Digest) ([]byte, error) {
	v := g.snapshot()
	if _, ok := v.config.Mail(); !ok {
		return nil, errors.New("mail is not set up")
	}
	if home := v.addresses[config.HomeOnion]; home == "" || string(home) != s.Onion {
		return nil, errors.New("this onion signs no mail")
	}
	secret, err := onion.Secret(g.Paths.OnionKeys(config.HomeOnion), int(g.TorIDs.UID), int(g.TorIDs.GID))
	if err != nil {
		return nil, err
	}
	return tor.Sign(secret, s.Sum[:])
}
