package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/accesspoint"
	"tunic/gateway/feature"
)

// ErrNoRadio is returned where no access point can be made.
var ErrNoRadio = errors.New("this box has no Wi-Fi interface that is free for an access point")

// Radio asks what an access point has to know. An empty password is made by
// generate.
func (a *Asker) Radio(ctx context.Context, b Box, generate func() string) (r accesspoint.Radio, err error) {
	free := names(b.Links, func(l feature.Link) bool { return slices.Contains(b.Wireless, l.Name) && !l.Default && !l.Port })
	if len(free) == 0 {
		return r, ErrNoRadio
	}
	oneOf := func(answer string) error {
		if r.Interface = answer; !slices.Contains(free, answer) {
			return fmt.Errorf("%q is none of these: %s", answer, strings.Join(free, " "))
		}
		return accesspoint.CheckInterface(answer)
	}
	questions := []struct {
		text, byDefault string
		take            func(string) error
	}{
		{"Which Wi-Fi interface becomes the access point?", free[0], oneOf},
		{"In which country does the box stand?\n   (two letters; there is no default: each allows other channels)", "",
			func(answer string) error {
				r.Country = strings.ToUpper(answer)
				return accesspoint.CheckCountry(r.Country)
			}},
		{"The name of the network (SSID)?", "", func(answer string) error { r.SSID = answer; return accesspoint.CheckSSID(answer) }},
		{"Its password?\n   (8 to 63 characters, shown as you type; make: one is made)", "make", func(answer string) error {
			if r.Password = answer; answer == "make" {
				r.Password = generate()
			}
			return accesspoint.CheckPassword(r.Password)
		}},
	}
	for _, q := range questions {
		if err := a.ask(ctx, a.number(Question{}, q.text), q.byDefault, q.take); err != nil {
			return r, err
		}
	}
	var taken []netip.Prefix
	for _, l := range b.Links {
		taken = append(taken, l.Addresses...)
	}
	if r.Network = accesspoint.Free(taken); !r.Network.IsValid() {
		return r, errors.New("no network of 192.168 is free for the household")
	}
	return r, nil
}

// Put writes files, and starts units now and at each start of the box, without a
// confirmation: nobody reaches the box by what it makes. An error has been taken
// back already; Undo takes it back later.
func (i Installer) Put(ctx context.Context, files []File, units []string) error {
	release, err := i.Journal.Lock()
	if err != nil {
		return err
	}
	defer release()
	if _, err := i.Journal.Load(); !errors.Is(err, ErrNoSetup) {
		return errors.Join(ErrMade, err)
	}
	r := &Record{Confirmed: true, Plain: true}
	for _, f := range files {
		b, err := remember(f)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, b)
	}
	for _, name := range units {
		u, err := i.Services.State(ctx, name)
		if err != nil {
			return err
		}
		r.Units = append(r.Units, u)
	}
	if err := i.Journal.save(r); err != nil {
		return err
	}
	err = i.put(ctx, files, units)
	if err == nil {
		return nil
	}
	if _, undone := i.takeBack(context.WithoutCancel(ctx), r); undone != nil {
		return errors.Join(err, undone)
	}
	return err
}

// ErrMade is returned for what was made already.
var ErrMade = errors.New("it was made already")

func (i Installer) put(ctx context.Context, files []File, units []string) error {
	if err := write(files); err != nil {
		return err
	}
	if err := i.Changed(ctx); err != nil {
		return err
	}
	if err := i.Services.Enable(ctx, units...); err != nil {
		return err
	}
	return i.Services.Start(ctx, units...)
}

// undoPlain takes back what Put has made: its units first, while their files are
// there.
func (i Installer) undoPlain(ctx context.Context, r *Record) (kept []string, err error) {
	var errs []error
	for _, u := range r.Units {
		errs = append(errs, i.back(ctx, u))
	}
	for _, f := range r.Files {
		path, err := f.restore()
		if path != "" {
			kept = append(kept, path)
		}
		errs = append(errs, err)
	}
	return kept, errors.Join(append(errs, i.Changed(ctx))...)
}
