// Package dovecot says how the household's IMAP server is to run: Debian's
// Dovecot, 2.3 or 2.4, all of its processes under one user without any capability,
// behind serve, which speaks TLS with the devices.
//
// It writes text and knows no process: package managed runs what it describes.
package dovecot

import (
	"embed"
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

// The two dialects of dovecot.conf; 2.4 reads no file that 2.3 reads
// (doc.dovecot.org, "Upgrading Dovecot CE from 2.3 to 2.4").
//
//go:embed *.conf.tmpl
var texts embed.FS

var confs = template.Must(template.ParseFS(texts, "*.conf.tmpl"))

// Spec describes the server.
func (s Settings) Spec() managed.Spec {
	base := filepath.Join(s.Dir, "base")
	main, passwd := filepath.Join(s.Dir, "dovecot.conf"), filepath.Join(s.Dir, "passwd")
	return managed.Spec{
		Name: "dovecot", Program: "dovecot", Package: "dovecot-imapd",
		Version: managed.Versions{Args: []string{"--version"}, From: "2.3", Below: "2.5"},
		Args:    []string{"-F", "-c", main},
		UID:     s.UID, GID: s.GID, Dir: s.Dir, Work: base,
		Files: []managed.File{
			{Path: main, Text: s.render("2.3", base, passwd), Newer: []managed.Dialect{{From: "2.4", Text: s.render("2.4", base, passwd)}},
				Change: managed.Reload},
			{Path: passwd, Text: account.Dovecot(s.Users), Change: managed.Reread, Logins: true},
		},
		Stale: []string{filepath.Join(base, "master.pid")}, // of a killed one; it may name somebody else by now
		Probe: managed.Probe{Addr: s.Listen, Send: "PROXY UNKNOWN\r\n", Expect: "* OK"},
	}
}

// render is the main configuration file in one dialect.
func (s Settings) render(dialect, base, passwd string) string {
	var b strings.Builder
	err := confs.ExecuteTemplate(&b, "dovecot-"+dialect+".conf.tmpl", struct {
		Settings
		Base, Passwd string
	}{s, base, passwd})
	if err != nil {
		panic(err) // the template and its values are of one piece
	}
	return b.String()
}
