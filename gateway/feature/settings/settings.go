// Package settings changes what an owner changes in daily life from the box's page: it
// says what a change would do, puts it in force, and takes it back by itself unless
// somebody confirms it in time. What would open the house it never changes, whoever
// asks.
package settings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// confirmWithin is how long settings are in force that nobody has confirmed.
const confirmWithin = 2 * time.Minute

// again is the time until the next attempt to take settings back.
const again = 5 * time.Second

// Feature changes settings.
type Feature struct {
	host   feature.Host
	paths  config.Paths
	log    *slog.Logger
	trial  *feature.Kept[trial]
	signal chan struct{} // the trial is another one
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Runner   = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
)

// New returns the feature. Without a host it answers nobody.
func New(host feature.Host, paths config.Paths, log *slog.Logger) *Feature {
	return &Feature{host: host, paths: paths, log: log, trial: keep(paths), signal: make(chan struct{}, 1)}
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "settings" }

// Look implements feature.Feature: nothing is wanted beside the configuration.
func (*Feature) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Wish{}
}

// Report implements feature.Reporter.
func (f *Feature) Report(_ context.Context, _ feature.Scene, status *api.Status) {
	if t := f.trial.Get(); t.on() {
		status.Findings = append(status.Findings, health.New(health.SettingsTrial, "",
			fmt.Sprintf("%s has changed settings on the box's page; at %s they are taken back", t.By, t.Until.Local().Format("15:04:05"))))
	}
}

// Run implements feature.Runner: settings are taken back when their time is up.
func (f *Feature) Run(ctx context.Context) error {
	if err := f.trial.Load(); err != nil {
		f.log.Error("settings that were not confirmed, if there are any, stay in force", "error", err)
	}
	f.resume()
	for {
		var due <-chan time.Time
		if t := f.trial.Get(); t.on() {
			due = time.After(time.Until(t.End(time.Now())))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.signal:
			continue
		case <-due:
		}
		if err := f.restore(ctx); err != nil && !errors.Is(err, errNothing) {
			f.log.Error("settings that nobody has confirmed could not be taken back yet", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(again):
			}
		}
	}
}

// resume starts the clock of a trial that another daemon has begun.
func (f *Feature) resume() {
	if t := f.trial.Get(); t.on() {
		t.Resume(time.Now())
		f.trial.Set(t)
	}
}

// Settings are those in force.
func (f *Feature) Settings(context.Context) (api.Settings, error) {
	c := f.host.Now().Config
	s := api.Settings{SettingsRequest: of(c), Servers: servers}
	for _, p := range []config.Policy{config.PolicyTor, config.PolicyDirect, config.PolicyOnion, config.PolicyBlock} {
		s.Policies = append(s.Policies, string(p))
	}
	if t := f.trial.Get(); t.on() {
		s.Trial = &api.Trial{By: t.By, Until: t.Until}
	}
	return s, nil
}

// Plan says what settings would change, and changes nothing.
func (f *Feature) Plan(ctx context.Context, r api.SettingsRequest) (api.SettingsPlan, error) {
	d, err := f.draft(r)
	if err != nil {
		return api.SettingsPlan{}, err
	}
	p := api.SettingsPlan{Changes: changes(of(d.before), of(d.after))}
	p.Detail, err = f.host.Changes(ctx, d.after)
	return p, err
}

// Apply puts settings in force, in the name of a user. They are taken back unless they
// are confirmed within confirmWithin.
func (f *Feature) Apply(ctx context.Context, by string, r api.SettingsRequest) error {
	d, err := f.draft(r)
	if err != nil {
		return err
	}
	t, was := trial{By: by, Files: d.files}, trial{}
	err = f.host.Edit(ctx, feature.Edit{
		Files: append(d.paths(f.paths), f.trial.Path()),
		Write: func() error {
			was = f.trial.Get()
			if err := f.free(); err != nil {
				return err
			}
			if err := f.unchanged(r.Of); err != nil { // since the draft was made
				return err
			}
			t.Span = feature.NewSpan(time.Now(), confirmWithin)
			if err := f.trial.Write(t); err != nil { // first: whatever ends the daemon now, it is taken back
				return err
			}
			return t.write(f.paths)
		},
		Undo:  func() error { f.trial.Set(was); return nil },
		Load:  true,
		Fault: func(found health.Finding, news bool) bool { return news || found.Code == health.RulesFailed },
	})
	f.poke()
	return err
}

func (f *Feature) poke() {
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// free refuses a second trial beside one.
func (f *Feature) free() error {
	t := f.trial.Get()
	if !t.on() {
		return nil
	}
	return feature.Usage(fmt.Errorf("%s has changed settings, and they are not confirmed yet", t.By),
		"confirm them or take them back first; nothing was changed")
}

// errNothing says that no settings wait.
var errNothing = errors.New("nothing waits to be confirmed: it was confirmed, or taken back")

// Confirm leaves settings in force.
func (f *Feature) Confirm(ctx context.Context) error {
	defer f.poke()
	return f.host.Do(ctx, func(context.Context) error {
		if t := f.trial.Get(); !t.on() || t.Over(time.Now()) {
			return feature.Usage(errNothing, "look which settings are in force")
		}
		return f.forget()
	})
}

// forget ends a trial.
func (f *Feature) forget() error {
	if err := durable.Remove(f.trial.Path()); err != nil {
		return fmt.Errorf("confirming the settings: %w", err)
	}
	f.trial.Set(trial{})
	return nil
}

// TakeBack puts the earlier settings in force again.
func (f *Feature) TakeBack(ctx context.Context) error {
	defer f.poke()
	if err := f.restore(ctx); errors.Is(err, errNothing) {
		return feature.Usage(errNothing, "look which settings are in force")
	} else if err != nil {
		return err
	}
	return nil
}

func (f *Feature) restore(ctx context.Context) error {
	t, now := f.trial.Get(), trial{}
	if !t.on() {
		return errNothing
	}
	var aside []string
	err := f.host.Edit(ctx, feature.Edit{
		Files: append(t.paths(f.paths), f.trial.Path()),
		Write: func() (err error) {
			if now = f.trial.Get(); !now.on() || now.Since != t.Since { // somebody was faster
				return nil
			}
			if aside, err = t.putBack(f.paths); err != nil {
				return err
			}
			return f.forget()
		},
		Undo:  func() error { f.trial.Set(now); return nil },
		Load:  true,
		Fault: func(health.Finding, bool) bool { return false }, // the earlier settings stand, whatever else is wrong
	})
	if err == nil && now.Since != t.Since {
		return errNothing
	}
	if err == nil {
		f.log.Info("the earlier settings are in force again", "user", t.By, "aside", aside)
	}
	return err
}

// unchanged refuses what was made of another configuration than that in force, and
// files that their owner has changed and not put in force.
func (f *Feature) unchanged(of string) error {
	now := f.host.Now().Config
	if sum(now) != of {
		return feature.Usage(errors.New("the configuration has changed since this form was loaded"),
			"load the page and enter the change once more; nothing was changed")
	}
	files, err := feature.Load(f.paths)
	if err != nil {
		return err
	}
	if list := config.ChangedFiles(now, files); len(list) > 0 && !reflect.DeepEqual(written(now), written(files)) {
		return feature.Usage(fmt.Errorf("files on the box were changed and are not in force yet: %s", names(list)),
			"`sudo tunic plan` on the box says what they change, `sudo tunic reload` puts them in force; nothing was changed")
	}
	return nil
}

// written is a configuration as its owner has written it. Friends, and who is one, are
// written by the daemon, which has in memory what it wrote.
func written(c *config.Config) config.Config {
	w := *c
	w.Files, w.Invited, w.Peers = nil, nil, nil
	return w
}

// names are those of a list of ChangedFiles.
func names(list []string) string {
	text := ""
	for i, line := range slices.Compact(list) {
		if i > 0 {
			text += ", "
		}
		text += filepath.Clean(line[2:])
	}
	return text
}
