package irc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"path/filepath"
	"strings"

	"tunic/gateway/managed"
)

// Settings are all that the server depends on.
type Settings struct {
	Dir      string // its own, below the run directory
	User     string // and group of the same name
	UID, GID uint32
	Listen   netip.AddrPort // on loopback, for serve and the front
	Secrets  Secrets
	Admins   []string // names of users, sorted
	MOTD     []string // none: the usual line
	Channels []Channel
}

// Secrets are made once for a box.
type Secrets struct {
	Salt     string `json:"salt"`     // of the cloaks
	Operator string `json:"operator"` // the password of Operator
}

// Password is what the admin of that name becomes an operator with. It is made
// from the box's own secret: of the account's password there is nothing that
// ngIRCd could check. Operator has none, for that name is taken.
func (s Secrets) Password(name string) (password string, ok bool) {
	if name == Operator {
		return "", false
	}
	mac := hmac.New(sha256.New, []byte(s.Operator))
	mac.Write([]byte("irc operator " + name)) // a hash takes everything
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:15])), true
}

// Spec describes the server: ngIRCd 26 or 27, which read the same.
func (s Settings) Spec() managed.Spec {
	work := filepath.Join(s.Dir, "work")
	conf, motd := filepath.Join(s.Dir, "ngircd.conf"), filepath.Join(s.Dir, "motd")
	c := Config{Listen: s.Listen.Addr().String(), Port: s.Listen.Port(), User: s.User, PIDFile: filepath.Join(work, "pid"), Empty: work,
		CloakSalt: s.Secrets.Salt, OperatorSecret: s.Secrets.Operator, Channels: s.Channels}
	for _, name := range s.Admins {
		if password, ok := s.Secrets.Password(name); ok {
			c.Admins = append(c.Admins, Admin{name, password})
		}
	}
	text := ""
	if len(s.MOTD) > 0 {
		c.MOTDFile, text = motd, strings.Join(s.MOTD, "\n")+"\n"
	}
	return managed.Spec{
		Name: "ngircd", Program: "ngircd", Package: "ngircd", Memory: 64 << 20,
		Version: managed.Versions{Args: []string{"--version"}, From: "26", Below: "28"},
		Args:    []string{"-n", "-f", conf},
		UID:     s.UID, GID: s.GID, Dir: s.Dir, Work: work,
		Files: []managed.File{
			{Path: motd, Text: text, Change: managed.Reload},
			{Path: conf, Text: Render(c), Change: managed.Reload},
		},
		Stale: []string{c.PIDFile},
		// Who has not said a name gets this numeric (451), and is no user.
		Probe: managed.Probe{Addr: s.Listen, Send: "MOTD\r\n", Expect: ":" + ServerName + " "},
	}
}
