package config

import "path/filepath"

// Notices is [notices]: what the box tells its admins by itself.
type Notices struct {
	Mail     bool     // to the admins' mailboxes on this box; default false
	Severity Severity // the least serious findings that are told; default warning
}

// Severity is one of those of findings, as the status has them.
type Severity string

// Severities that can be told.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning" // and errors
)

func readNotices(t *table, n *Notices) {
	n.Mail, _ = t.boolean("mail")
	n.Severity = readWord(t, "severity", SeverityWarning, SeverityError, SeverityWarning)
	t.finish()
}

// notices wants mail for the notices that go by it.
func (l *loader) notices(cfg *Config) {
	if _, mail := cfg.Mail(); cfg.Notices.Mail && !mail {
		l.errs = append(l.errs, Error{File: l.paths.Main(), Key: "notices.mail", Msg: "notices go by mail, which is not set up",
			Hint: "make the file " + filepath.Join(l.paths.EndpointDir(), "smtp.toml") + "; it may be empty"})
	}
}
