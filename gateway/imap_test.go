package gateway

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
	"tunic/rules"
)

// The IMAP server starts last, with the users' records, and only where there
// is mail.
func TestIMAP(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/smtp.toml": "quota = 3"})
	h.set(func() { h.servers = managed.Status{Ready: true, PID: 7, Version: "2.3.19"} })
	if err := h.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.pass(t.Context())
	if did := h.took(); !strings.HasSuffix(did, ", server dovecot") || !strings.Contains(did, "rules open") {
		t.Errorf("did: %s", did)
	}
	h.running(t)
	if _, err := h.people.AddUser(t.Context(), api.UserRequest{Name: "bob", Password: chips}); err != nil {
		t.Fatal(err)
	}
	h.fakes.mu.Lock()
	spec, behind := h.specs[0], h.served.Terminators
	h.fakes.mu.Unlock()
	if spec.UID != 110 || !strings.HasPrefix(spec.Files[1].Text, "bob:{SCRAM-SHA-256}50000,") ||
		!strings.Contains(spec.Files[0].Text, "bytes=3000000\n") {
		t.Errorf("the server is %+v", spec)
	}
	if len(behind) != 1 || len(behind[0].Listeners) != 2 || behind[0].Server != spec.Probe.Addr || !behind[0].TLS ||
		!behind[0].Server.Addr().IsLoopback() {
		t.Errorf("serve has %+v", behind)
	}
	for _, sub := range []string{"bob", "bob/Maildir", "bob/Maildir/cur", "bob/Maildir/new", "bob/Maildir/tmp"} {
		info, err := os.Stat(filepath.Join(h.Paths.Mail(), sub))
		if err != nil || info.Mode() != fs.ModeDir|0o770 {
			t.Errorf("%s: %v, %v", sub, info, err)
		}
	}
	s := h.Gateway.Status(t.Context())
	if !s.Ready || len(s.Servers) != 1 || !s.Servers[0].Ready || s.Servers[0].PID != 7 {
		t.Errorf("%v, %+v", s.Why, s.Servers)
	}
	service := func(s rules.Service) bool { return s.Public == 993 && s.Internal == 9393 }
	if !slices.ContainsFunc(h.snapshot().desired.Rules.Services, service) {
		t.Error("no rule admits the household's mail programs")
	}
	if lines, err := h.logs.Tail(t.Context(), api.TailRequest{Server: "dovecot"}); err != nil || len(lines) != 1 {
		t.Errorf("%q, %v", lines, err)
	}
	if _, err := h.logs.Tail(t.Context(), api.TailRequest{Server: "sshd"}); err == nil {
		t.Error("there is a log of what is no server")
	}
}

// Mail programs find the servers by the address alone.
func TestSetup(t *testing.T) {
	h := newHouse(t, map[string]string{"endpoints/smtp.toml": ""})
	h.running(t)
	sent, d := h.sent(), h.snapshot().desired
	home := h.snapshot().in.Addresses["home"]
	domain := string(home) + ".peer.home.arpa"
	at := d.Serve.DNS.Mail.Setup
	if s := sent.Setup; s == nil || s.Domain != domain || len(s.Listeners) != 1 || !strings.Contains(s.CA, "CERTIFICATE") {
		t.Errorf("serve has %+v", s)
	}
	if sent.DNS.Mail.Domain != domain || !h.ranges.Virtual4.Contains(at) || at != h.ranges.Virtual4.Addr().Next() {
		t.Errorf("the resolver has %+v", sent.DNS.Mail)
	}
	if !slices.ContainsFunc(d.Rules.Services, func(s rules.Service) bool { return s.To == at && s.Public == 80 }) {
		t.Error("no rule leads to the pages")
	}
	if !slices.Contains(d.Tor.Maps, tor.Map{Virtual: at, Onion: home}) {
		t.Error("tor may give the address to another name")
	}
}

func TestNoMailNoServer(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	if len(h.specs) > 0 || len(h.served.Terminators) > 0 ||
		slices.ContainsFunc(h.snapshot().desired.Rules.Services, func(s rules.Service) bool { return s.Public == 993 }) {
		t.Errorf("%+v, %+v", h.specs, h.served.Terminators)
	}
	if _, err := os.Stat(h.Paths.Mail()); err == nil {
		t.Error("there is a directory for mail")
	}
}

// What is wrong with a server is told, and neither closes anything nor makes
// anybody wait but for a server that is on its way.
func TestServerFindings(t *testing.T) {
	for code, c := range map[string]struct {
		status managed.Status
		ready  bool
	}{
		"server-missing": {managed.Status{Err: &managed.MissingError{Name: "dovecot", Program: "dovecot",
			Package: "dovecot-imapd"}}, true},
		"server-too-old": {managed.Status{Err: &managed.VersionError{Name: "dovecot", Package: "dovecot-imapd", Found: "2.2.36",
			From: "2.3"}}, true},
		"server-fails":    {managed.Status{Err: &managed.EarlyError{Name: "dovecot", Ends: 5}}, true},
		"server-untried":  {managed.Status{Ready: true, PID: 7, Version: "2.5.0", Untried: true}, true},
		"server-down":     {managed.Status{Err: errors.New("dovecot ended (exit status 89)")}, true},
		"server-starting": {managed.Status{}, false},
	} {
		h := newHouse(t, map[string]string{"endpoints/smtp.toml": ""})
		h.set(func() { h.servers = c.status })
		h.running(t)
		s := h.Gateway.Status(t.Context())
		if !slices.Contains(h.codes(t), code) || s.State != api.Open || s.Ready != c.ready {
			t.Errorf("%s: %v, %v, ready %v", code, h.codes(t), s.State, s.Ready)
		}
	}
	h := newHouse(t, map[string]string{"endpoints/smtp.toml": ""})
	h.Users.Mail = feature.IDs{}
	h.running(t)
	if !slices.Contains(h.codes(t), "server-missing") || len(h.specs) > 0 {
		t.Errorf("without the user: %v, %v", h.codes(t), h.specs)
	}
}
