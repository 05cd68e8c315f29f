// Package dovecot says how the household's IMAP server is to run: Debian's
// Dovecot 2.3, all of its processes under one user without any capability,
// behind serve, which speaks TLS with the devices.
//
// It writes text and knows no process: package managed runs what it describes.
package dovecot

import (
	_ "embed"
	"net/netip"
	"path/filepath"
	"strings"
	"text/template"

	"tunic/gateway/account"
	"tunic/gateway/managed"
)

// Settings are all that the server depends on.
type Settings struct {
	Dir      string // its own, below the run directory
	Mail     string // NAME/Maildir for each user
	User     string // and group of the same name
	UID, GID uint32
	Listen   netip.AddrPort // on loopback, for serve alone
	Quota    int64          // bytes of one user's mail; 0: no limit
	Users    []account.User
}

//go:embed dovecot.conf.tmpl
var text string

var conf = template.Must(template.New("dovecot.conf").Parse(text))

// Spec describes the server.
func (s Settings) Spec() managed.Spec {
	base := filepath.Join(s.Dir, "base")
	main, passwd := filepath.Join(s.Dir, "dovecot.conf"), filepath.Join(s.Dir, "passwd")
	return managed.Spec{
		Name: "dovecot", Program: "dovecot", Package: "dovecot-imapd",
		Version: managed.Versions{Args: []string{"--version"}, From: "2.3", Below: "2.4"},
		Args:    []string{"-F", "-c", main},
		UID:     s.UID, GID: s.GID, Dir: s.Dir, Work: base,
		Files: []managed.File{
			{Path: main, Text: s.render(base, passwd), Change: managed.Reload},
			{Path: passwd, Text: account.Dovecot(s.Users), Change: managed.Reread},
		},
		Stale: []string{filepath.Join(base, "master.pid")}, // of a killed one; it may name somebody else by now
		Probe: managed.Probe{Addr: s.Listen, Send: "PROXY UNKNOWN\r\n", Expect: "* OK"},
	}
}

// render is the main configuration file.
func (s Settings) render(base, passwd string) string {
	var b strings.Builder
	err := conf.Execute(&b, struct {
		Settings
		Base, Passwd string
	}{s, base, passwd})
	if err != nil {
		panic(err) // the template and its values are of one piece
	}
	return b.String()
}
