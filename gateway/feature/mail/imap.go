package mail

import (
	"tunic/gateway/config"
	"tunic/gateway/dovecot"
	"tunic/gateway/feature"
	"tunic/gateway/link"
)

// addIMAP wants the IMAP server and the household's way to it.
func addIMAP(s feature.Scene, d *feature.Desired, quota int64) {
	if s.Mail == (feature.IDs{}) {
		return
	}
	at := config.Loopback(config.DovecotPort)
	d.Servers = append(d.Servers, dovecot.Settings{
		Dir: s.Paths.Server("dovecot"), Mail: s.Paths.Mail(), User: config.MailUser, UID: s.Mail.UID, GID: s.Mail.GID,
		Listen: at, Quota: quota, Users: s.Users,
	}.Spec())
	d.Terminator(s, link.Terminator{Name: "imap", Server: at, TLS: true, Proxy: true},
		feature.Door{Name: "imaps", Public: config.IMAPSPort, Internal: config.ServeIMAPPort})
}
