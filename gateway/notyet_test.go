package gateway

import (
	"strings"
	"testing"

	"tunic/gateway/api"
)

// What starts with the rest of the box says what it waits for, and not that
// nobody has set it up.
func TestServersWaitForTor(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/smtp.toml": "", "endpoints/irc.toml": ""})
	h.set(func() { h.status.Bootstrap, h.status.Summary, h.fail["mail"] = 5, "Connecting", errBroken })
	h.pass(t.Context())
	const why = "starts when the household is open: Tor is connecting: 5 %, Connecting"
	if _, err := h.mail.MailQueue(t.Context()); err == nil || err.Error() != "mail "+why {
		t.Errorf("the queue: %v", err)
	}
	if _, err := h.logs.Tail(t.Context(), api.TailRequest{Server: "ngircd"}); err == nil || err.Error() != "ngircd "+why {
		t.Errorf("the log: %v", err)
	}
	if _, err := h.logs.Tail(t.Context(), api.TailRequest{Server: "tor"}); err == nil ||
		!strings.Contains(err.(*api.Failure).Hint, "there is dovecot, ngircd; `journalctl") {
		t.Errorf("another log: %+v", err)
	}
	servers := h.Gateway.Status(t.Context()).Servers
	if len(servers) != 2 || servers[1].Name != "ngircd" || servers[1].Error != "starts when the household is open" {
		t.Errorf("servers: %+v", servers)
	}
	h.set(func() { h.status.Bootstrap = 100 })
	h.pass(t.Context())
	if _, err := h.mail.MailQueue(t.Context()); err == nil || err.Error() != errBroken.Error() {
		t.Errorf("the queue of an open house: %v", err)
	}
	if servers := h.Gateway.Status(t.Context()).Servers; len(servers) != 2 || servers[1].Error != "" {
		t.Errorf("servers of an open house: %+v", servers)
	}
}
