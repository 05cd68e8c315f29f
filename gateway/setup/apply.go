package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tunic/gateway/durable"
)

// Services start and stop units of systemd, now and at boot.
type Services interface {
	State(ctx context.Context, unit string) (Unit, error)
	Start(ctx context.Context, units ...string) error
	Stop(ctx context.Context, units ...string) error
	Enable(ctx context.Context, units ...string) error
	Disable(ctx context.Context, units ...string) error
	// Later has Undo happen after a while, by a process that does not depend on
	// this one or its terminal; Never ends that.
	Later(ctx context.Context, timer string, after time.Duration) error
	Never(ctx context.Context, timers ...string) error
}

// Household is tunic, as the units run it.
type Household interface {
	Guarded(context.Context) (bool, error) // tunic's rules are in force
	Reload(context.Context) error          // the daemon that runs takes the files
	Ready(context.Context) error           // waits until all works, or the context ends
	Open(context.Context) error            // takes the rules away, when no daemon runs
	AddUser(ctx context.Context, name, password string) error
}

// File is a file that a setup writes.
type File struct {
	Path string
	Text []byte // nil: somebody else writes it
	Mode fs.FileMode
}

// Plan is what a setup changes.
type Plan struct {
	Files          []File
	User, Password string   // to add; "" is nobody
	Stop           []string // units of others that nothing needs
}

// Installer puts a plan in force, so that it can be taken back.
type Installer struct {
	Journal   Journal
	Services  Services
	Household Household
	Confirm   time.Duration // within which somebody has to confirm it
	Tor       time.Duration // that Tor may take to connect before

	Changed func(context.Context) error // files of systemd and NetworkManager are others now; for Put
}

// The units of a box, in the order in which they start.
var ours = []string{"tunic-lockdown.service", "tunic.service"}

const daemon = "tunic.service"

// ErrPending is returned while a setup waits for its confirmation.
var ErrPending = errors.New("another setup waits for its confirmation")

// Apply puts a plan in force and waits until the household is protected. Before
// the first change it is written down what is there, and a timer is set that takes
// the change back; what outlives a start of the box, but for the files, waits for
// Confirm. An error has been taken back already.
func (i Installer) Apply(ctx context.Context, p Plan) error {
	err := i.begin(ctx, p)
	if err != nil {
		return err
	}
	if err = i.change(ctx, p); err == nil {
		err = i.wait(ctx)
	}
	if err != nil {
		_, undone := i.Undo(context.WithoutCancel(ctx), true)
		return errors.Join(err, undone)
	}
	return nil
}

// begin writes down what is there, and sets the timer.
func (i Installer) begin(ctx context.Context, p Plan) error {
	release, err := i.Journal.Lock()
	if err != nil {
		return err
	}
	defer release()
	if r, err := i.Journal.Load(); err == nil && !r.Confirmed {
		return ErrPending
	} else if err != nil && !errors.Is(err, ErrNoSetup) {
		return err
	}
	r := &Record{Timers: []string{"tunic-setup-undo-1"}, Enable: ours, Disable: p.Stop, Deadline: time.Now().Add(i.Tor + i.Confirm)}
	for _, f := range p.Files {
		b, err := remember(f)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, b)
	}
	for _, name := range slices.Concat(ours, []string{"tunic-clock.timer"}, p.Stop) {
		u, err := i.Services.State(ctx, name)
		if err != nil {
			return err
		}
		r.Units = append(r.Units, u)
	}
	if r.Guarded, err = i.Household.Guarded(ctx); err != nil {
		return err
	}
	if err := i.Journal.save(r); err != nil {
		return err
	}
	if err := i.Services.Later(ctx, r.Timers[0], i.Tor+i.Confirm); err != nil {
		return errors.Join(fmt.Errorf("setting the timer that takes the setup back: %w", err), i.Journal.remove())
	}
	return nil
}

func (i Installer) change(ctx context.Context, p Plan) error {
	if err := write(p.Files); err != nil {
		return err
	}
	if p.User != "" {
		if err := i.Household.AddUser(ctx, p.User, p.Password); err != nil {
			return err
		}
	}
	if len(p.Stop) > 0 {
		if err := i.Services.Stop(ctx, p.Stop...); err != nil {
			return err
		}
	}
	running, err := i.Services.State(ctx, daemon)
	if err != nil {
		return err
	}
	if running.Active {
		return i.Household.Reload(ctx)
	}
	return i.Services.Start(ctx, ours...)
}

// write writes files, each of them whole or not at all.
func write(files []File) error {
	for _, f := range files {
		if f.Text == nil {
			continue
		}
		mode := fs.FileMode(0o755) // but for what is tunic's
		if f.Mode&0o077 == 0 {
			mode = 0o700
		}
		if err := durable.MkdirAll(filepath.Dir(f.Path), mode); err != nil {
			return err
		}
		if err := durable.Write(f.Path, f.Text, f.Mode); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
	}
	return nil
}

// wait gives Tor its time, and then the owner theirs.
func (i Installer) wait(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, i.Tor)
	defer cancel()
	if err := i.Household.Ready(limited); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	return i.locked(func(r *Record) error {
		r.Timers = append(r.Timers, "tunic-setup-undo-2")
		r.Deadline = time.Now().Add(i.Confirm)
		if err := i.Journal.save(r); err != nil {
			return err
		}
		return errors.Join(i.Services.Later(ctx, r.Timers[1], i.Confirm), i.Services.Never(ctx, r.Timers[0]))
	})
}

// locked works on the record of a setup that nobody has confirmed yet.
func (i Installer) locked(f func(*Record) error) error {
	release, err := i.Journal.Lock()
	if err != nil {
		return err
	}
	defer release()
	r, err := i.Journal.Load()
	switch {
	case err != nil:
		return err
	case r.Confirmed:
		return ErrConfirmed
	}
	return f(r)
}

// ErrConfirmed is returned for a setup that is confirmed already.
var ErrConfirmed = errors.New("the setup is confirmed already")

// ErrNotBack is returned for a setup that is taken back in part.
var ErrNotBack = errors.New("taking the setup back")

// Keep confirms the setup: nothing takes it back any more, and the box starts
// with it. The errors are ErrNoSetup and ErrConfirmed, or those of systemd: then it
// is not confirmed.
func (i Installer) Keep(ctx context.Context) error {
	return i.locked(func(r *Record) error {
		err := i.Services.Enable(ctx, r.Enable...)
		if err == nil && len(r.Disable) > 0 {
			err = i.Services.Disable(ctx, r.Disable...)
		}
		if err != nil {
			return err
		}
		r.Confirmed = true
		if err := i.Journal.save(r); err != nil {
			return err
		}
		return i.Services.Never(ctx, r.Timers...)
	})
}

// Undo takes the last setup back: everything is as it was before. With unconfirmed
// it does so only if nobody has confirmed it, and the error is ErrConfirmed
// otherwise. It goes on after a failure, and what has failed can be tried again.
// It returns files in which somebody has changed something since the setup.
func (i Installer) Undo(ctx context.Context, unconfirmed bool) (kept []string, err error) {
	release, err := i.Journal.Lock()
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := i.Journal.Load()
	switch {
	case err != nil:
		return nil, err
	case unconfirmed && r.Confirmed:
		return nil, ErrConfirmed
	}
	return i.takeBack(ctx, r)
}

// takeBack takes back what a record says, and forgets it when that is whole.
func (i Installer) takeBack(ctx context.Context, r *Record) (kept []string, err error) {
	undo := i.undo
	if r.Plain {
		undo = i.undoPlain
	}
	kept, err = undo(ctx, r)
	if err != nil {
		return kept, fmt.Errorf("%w: %w", ErrNotBack, err)
	}
	return kept, errors.Join(i.Journal.remove(), i.Services.Never(ctx, r.Timers...))
}

func (i Installer) undo(ctx context.Context, r *Record) (kept []string, err error) {
	var errs []error
	ran := slices.ContainsFunc(r.Units, func(u Unit) bool { return u.Name == daemon && u.Active })
	if !ran {
		errs = append(errs, i.Services.Stop(ctx, daemon))
		if !r.Guarded { // a house that was closed stays closed
			errs = append(errs, i.Household.Open(ctx))
		}
	}
	for _, f := range r.Files {
		path, err := f.restore()
		if path != "" {
			kept = append(kept, path)
		}
		errs = append(errs, err)
	}
	if ran {
		errs = append(errs, i.Household.Reload(ctx))
	}
	for _, u := range r.Units {
		errs = append(errs, i.back(ctx, u))
	}
	return kept, errors.Join(errs...)
}

// back makes a unit what it was.
func (i Installer) back(ctx context.Context, was Unit) error {
	now, err := i.Services.State(ctx, was.Name)
	if err != nil {
		return err
	}
	var errs []error
	switch {
	case was.Enabled && !now.Enabled:
		errs = append(errs, i.Services.Enable(ctx, was.Name))
	case !was.Enabled && now.Enabled:
		errs = append(errs, i.Services.Disable(ctx, was.Name))
	}
	switch {
	case was.Active && !now.Active:
		errs = append(errs, i.Services.Start(ctx, was.Name))
	case !was.Active && now.Active:
		errs = append(errs, i.Services.Stop(ctx, was.Name))
	}
	return errors.Join(errs...)
}

// Pending reports until when the setup waits for its confirmation; the error is
// ErrNoSetup or ErrConfirmed if it does not.
func (i Installer) Pending() (time.Time, error) {
	r, err := i.Journal.Load()
	switch {
	case err != nil:
		return time.Time{}, err
	case r.Confirmed:
		return time.Time{}, ErrConfirmed
	}
	return r.Deadline, nil
}

// Copy is the file that keeps a configuration beside the new one; none if there
// is none yet.
func Copy(path string, now time.Time) []File {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return []File{{Path: path + ".before-" + now.Format("20060102-150405"), Text: text, Mode: 0o600}}
}
