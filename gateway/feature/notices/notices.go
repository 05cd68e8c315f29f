// Package notices has the box write to its admins when a finding begins and when it
// has ended, where the owner asks for it: to their mailboxes on the box itself,
// which no network but the household's leads to.
//
// A notice is no alarm: it comes a minute late, so that what follows from one cause
// is in one mail, and what mends itself within that minute is in none.
package notices

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// Server delivers mail on this box.
type Server interface {
	TellAdmins(ctx context.Context, n link.Notice) error
}

// Parts are what the feature works with.
type Parts struct {
	Paths  config.Paths
	Log    *slog.Logger
	Server Server
}

// Feature looks at the findings of the status beside the loop.
type Feature struct {
	Parts
	host   feature.Host
	kept   *feature.Kept[ledger]
	status func(context.Context) api.Status

	mu      sync.Mutex
	trouble string // why the last notice is not on its way
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Runner   = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
)

// New returns the feature. It looks at nothing before Ask.
func New(host feature.Host, p Parts) *Feature {
	return &Feature{Parts: p, host: host, kept: feature.Keep[ledger](p.Paths.Notices(), "what admins were told")}
}

// Ask says whom to ask how the box is.
func (f *Feature) Ask(status func(context.Context) api.Status) { f.status = status }

// Name implements feature.Feature.
func (*Feature) Name() string { return "notices" }

// Look implements feature.Feature: whether there is somebody to tell.
func (f *Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	admin := func(u account.User) bool { return u.Role == account.Admin && u.HasMail() }
	if s.Config.Notices.Mail && !slices.ContainsFunc(s.Users, admin) {
		r.Find(health.NoticesForNobody, "", "notices are on, and no user of this box is an admin with a mailbox")
	}
	return feature.Wish{}
}

// Report implements feature.Reporter.
func (f *Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble != "" && s.Config != nil && s.Config.Notices.Mail {
		status.Findings = append(status.Findings, health.New(health.NoticesUnusable, "", "admins could not be told: "+f.trouble))
	}
}

// lookEvery is how often the status is asked for: as often as passes are made.
const lookEvery = 30 * time.Second

// Run implements feature.Runner.
func (f *Feature) Run(ctx context.Context) error {
	w := watcher{now: time.Now, started: time.Now()}
	for ticker := time.NewTicker(lookEvery); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
		}
		if c := f.host.Now().Config; c != nil && c.Notices.Mail {
			f.hear(f.look(ctx, &w, health.Severity(c.Notices.Severity)))
		} else {
			f.hear(f.forget(&w))
		}
	}
}

// hear keeps what went wrong for the status.
func (f *Feature) hear(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.trouble
	if f.trouble = ""; err != nil {
		f.trouble = err.Error()
	}
	if f.trouble != "" && before == "" {
		f.Log.Warn("admins could not be told what was found", "error", err)
	}
}

// look tells what has to be told. It is kept before it is delivered, and delivered
// until serve has it: a box that dies between the two says it once.
func (f *Feature) look(ctx context.Context, w *watcher, least health.Severity) error {
	if err := f.kept.Load(); err != nil { // another daemon may have written it before this one was in charge
		return err
	}
	l := f.kept.Get()
	if l.Waiting == nil {
		next, told := w.look(l, f.status(ctx).Findings, least)
		if told == nil {
			return nil
		}
		next.Waiting = &waiting{ID: rand.Text(), Subject: told.subject(), Text: told.text(), At: w.now().UTC().Truncate(time.Second)}
		if err := f.kept.Write(next); err != nil {
			return err
		}
		l = next
	}
	if err := f.Server.TellAdmins(ctx, link.Notice(*l.Waiting)); err != nil {
		return fmt.Errorf("delivering their mail: %w", err)
	}
	l.Waiting = nil
	return f.kept.Write(l)
}

// forget begins from nothing when notices are switched on again.
func (f *Feature) forget(w *watcher) error {
	w.changed = nil
	if f.kept.Load(); len(f.kept.Get().Told) == 0 && f.kept.Get().Waiting == nil {
		return nil
	}
	return f.kept.Write(ledger{})
}
