package notices

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// post is a serve that takes notices, or does not.
type post struct {
	err  error
	sent []link.Notice
}

func (p *post) TellAdmins(_ context.Context, n link.Notice) error {
	p.sent = append(p.sent, n)
	return p.err
}

// box is a host whose configuration a test changes.
type box struct {
	feature.Host
	config config.Config
}

func (b *box) Now() feature.Now { return feature.Now{Scene: feature.Scene{Config: &b.config}} }

// A notice that serve did not take is the same one the next time, also of the next
// daemon, and the status says meanwhile that admins were not told.
func TestDeliveredUntilServeHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paths := config.NewPaths(t.TempDir())
		if err := os.MkdirAll(paths.State, 0o700); err != nil {
			t.Fatal(err)
		}
		b := &box{config: config.Config{Notices: config.Notices{Mail: true, Severity: config.SeverityWarning}}}
		server := &post{err: errors.New("mail is not set up")}
		run := func(d time.Duration) *Feature {
			f := New(b, Parts{Paths: paths, Log: slog.New(slog.DiscardHandler), Server: server})
			f.Ask(func(context.Context) api.Status { return api.Status{Findings: []health.Finding{full}} })
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			f.Run(ctx)
			return f
		}
		f := run(3 * time.Minute)
		var status api.Status
		f.Report(t.Context(), b.Now().Scene, &status)
		if len(status.Findings) != 1 || !strings.Contains(status.Findings[0].Text, "mail is not set up") || len(server.sent) < 2 {
			t.Fatalf("%+v, %d tries", status.Findings, len(server.sent))
		}
		first := server.sent[0]
		server.err = nil
		run(30 * time.Minute)
		for _, n := range server.sent {
			if n != first {
				t.Errorf("another notice: %+v, not %+v", n, first)
			}
		}
		before := len(server.sent)
		if run(30 * time.Minute); len(server.sent) != before {
			t.Error("a restart repeats it")
		}
		if b.config.Notices.Mail = false; run(time.Minute) != nil {
			b.config.Notices.Mail = true
		}
		if run(3 * time.Minute); len(server.sent) != before+1 {
			t.Errorf("switched on again, it told %d times", len(server.sent)-before)
		}
		if text, err := os.ReadFile(paths.Notices()); err != nil || !strings.Contains(string(text), "disk-nearly-full") {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// Notices for nobody are told.
func TestForNobody(t *testing.T) {
	for want, users := range map[int][]account.User{
		1: {{Name: "bob", Role: account.Member}}, 0: {{Name: "ann", Role: account.Admin}},
	} {
		var r feature.Report
		c := &config.Config{Notices: config.Notices{Mail: true}}
		New(nil, Parts{}).Look(t.Context(), &feature.Scene{Config: c, Users: users}, &r)
		if len(r.Findings) != want {
			t.Errorf("%+v: %+v", users, r.Findings)
		}
	}
}
