package onions

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
)

// Publish writes an onion's file and applies it. If anything is wrong with it,
// the file is gone again and nothing has changed.
func (f *Feature) Publish(ctx context.Context, r api.PublishRequest) (api.Onion, error) {
	o, err := ParseOnion(f.Paths, r)
	if err != nil {
		return api.Onion{}, err
	}
	if local, err := f.Kernel.LocalPrefixes(ctx); err == nil {
		if err := RefuseTargets(o, slices.Concat(local, f.host.Now().Config.Household.Prefixes)); err != nil {
			return api.Onion{}, err
		}
	}
	err = f.host.Edit(ctx, f.WithNewKeys(o.Name, feature.Edit{
		Files: []string{f.Paths.OnionFile(o.Name)},
		Write: func() error { return WriteOnion(f.Paths, o) },
		Load:  true,
		Fault: onionFault,
	}))
	if err != nil {
		return api.Onion{}, err
	}
	return f.onion(ctx, o.Name)
}

// ParseOnion checks the words of a publish request.
func ParseOnion(p config.Paths, r api.PublishRequest) (config.Onion, error) {
	o := config.Onion{Name: r.Name, As: r.As, Private: r.Private || len(r.Clients) > 0, Fast: r.Fast}
	if r.Name == config.HomeOnion {
		return o, feature.Usage(errors.New("home is this box's own onion, by which friends' boxes reach it"),
			"give the service a name of its own: tunic publish photos 80=192.168.1.20:8080")
	}
	r, err := expand(p, r)
	if err != nil {
		return o, err
	}
	var errs []error
	for _, text := range r.Clients {
		c, err := config.ParseClient(text)
		errs = append(errs, err)
		o.Clients = append(o.Clients, c)
	}
	if len(r.Ports) == 0 {
		errs = append(errs, errors.New("no port was given, such as 80=192.168.1.20:8080"))
	}
	for _, text := range r.Ports {
		p, err := config.ParsePortTarget(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.Ports = append(o.Ports, p)
	}
	if err := errors.Join(errs...); err != nil {
		return o, feature.Usage(err, "example: tunic publish photos 80=192.168.1.20:8080")
	}
	slices.SortFunc(o.Ports, func(a, b config.Port) int { return int(a.Virtual) - int(b.Virtual) })
	return o, nil
}

// WithNewKeys has an edit whose undoing takes away the keys that it made for an
// onion which had none. Whether it had is seen when it is the edit's turn: keys that
// another verb has made meanwhile are not this one's.
func (f *Feature) WithNewKeys(name string, e feature.Edit) feature.Edit {
	dir, write, none := f.Paths.OnionKeys(name), e.Write, false
	e.Write = func() error {
		_, err := os.Lstat(dir)
		none = errors.Is(err, fs.ErrNotExist)
		return write()
	}
	e.Undo = func() error {
		if !none {
			return nil
		}
		return durable.RemoveAll(dir)
	}
	return e
}

// WriteOnion makes the file of an onion, without reading the others.
func WriteOnion(p config.Paths, o config.Onion) error {
	err := config.WriteOnion(p, o)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, config.ErrExists):
		return feature.Usage(err, "to change it, edit its file and run `tunic reload`, or `tunic unpublish` it first")
	}
	return feature.Usage(err, "example: tunic publish photos 80=192.168.1.20:8080")
}

// Unpublish removes an onion's file and applies that. Its keys stay, so that
// publishing the name again gives the same address, unless the request says to
// delete them too, which is done last: when tor has let go of them.
func (f *Feature) Unpublish(ctx context.Context, r api.UnpublishRequest) error {
	if err := CheckUnpublish(f.Paths, r); err != nil {
		return err
	}
	e := feature.Edit{
		Files: []string{f.Paths.OnionFile(r.Name)},
		Write: func() error { return removeOnion(f.Paths, r) },
		Load:  true,
		Fault: onionFault,
	}
	if r.ForgetKey {
		e.Last = func() error { return f.ForgetKeys(r.Name) }
	}
	return f.host.Edit(ctx, e)
}

// removeOnion removes the file of an onion. One whose keys alone are left has
// none.
func removeOnion(p config.Paths, r api.UnpublishRequest) error {
	err := config.RemoveOnion(p, r.Name)
	switch {
	case err == nil, r.ForgetKey && errors.Is(err, fs.ErrNotExist) && hasKeys(p, r.Name):
		return nil
	}
	return feature.Usage(err, "`tunic onions` lists the names")
}

// UnpublishAlone is Unpublish when no daemon runs.
func UnpublishAlone(p config.Paths, r api.UnpublishRequest) error {
	if err := CheckUnpublish(p, r); err != nil {
		return err
	}
	err := feature.EditAlone(p, func() error { return removeOnion(p, r) }, p.OnionFile(r.Name))
	if err != nil || !r.ForgetKey {
		return err
	}
	old := newRotations(p)
	if err := old.load(); err != nil {
		return err
	}
	return old.forgetKeys(p, r.Name)
}

// ForgetKeys deletes the keys of an onion that is not published any more: nobody can have
// its addresses again.
func (f *Feature) ForgetKeys(name string) error { return f.rotations.forgetKeys(f.Paths, name) }

// CheckUnpublish refuses the box's own onion, and those of phones.
func CheckUnpublish(p config.Paths, r api.UnpublishRequest) error {
	switch {
	case config.IsPhoneOnion(p, r.Name):
		return feature.Usage(fmt.Errorf("%s is the onion of a phone that is away from home", r.Name),
			"`tunic away remove` shuts the phone out, and `tunic away` lists the names")
	case r.Name != config.HomeOnion:
		return nil
	case r.ForgetKey:
		return forgetHome()
	}
	return feature.Usage(errors.New("home is this box's own onion, which is always there"),
		"while it is not public, nobody finds it but friends (`tunic friends`) and who has an invitation")
}
