package feature

import (
	"errors"
	"fmt"

	"tunic/gateway/ca"
	"tunic/gateway/health"
)

// Report is what was found in one pass.
type Report struct{ Findings []health.Finding }

// Find notes a finding about a subject: an onion, a device, a server, a friend, an
// interface; "" is the box.
func (r *Report) Find(code health.Code, subject, format string, args ...any) {
	r.Findings = append(r.Findings, health.New(code, subject, fmt.Sprintf(format, args...)))
}

// NeedUser finds that the system user of a server is missing, and what for.
func (r *Report) NeedUser(ids IDs, server, user, so string) {
	if ids == (IDs{}) {
		r.Find(health.ServerMissing, server, "the system user %[1]s does not exist, so %[2]s: "+
			"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin %[1]s", user, so)
	}
}

// Uncertified says why there is a certificate less. That the time is not known
// yet is nobody's mistake, and goes by.
func (r *Report) Uncertified(err error) {
	code := health.CertificateFailed
	if errors.Is(err, ca.ErrClock) {
		code = health.ClockUntrusted
	}
	r.Find(code, "", "%v", err)
}
