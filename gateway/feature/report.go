package feature

import (
	"fmt"

	"tunic/gateway/health"
)

// Report is what was found in one pass.
type Report struct{ Findings []health.Finding }

// Find notes a finding about a subject: an onion, a device, a server, a friend, an
// interface; "" is the box.
func (r *Report) Find(code health.Code, subject, format string, args ...any) {
	r.Findings = append(r.Findings, health.New(code, subject, fmt.Sprintf(format, args...)))
}
