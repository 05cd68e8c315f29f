package onions

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/i2p"
	"tunic/gateway/onion"
)

// MaxKeep is the longest time for which an old address stays published: what
// is meant for longer is another onion, not an overlap.
const MaxKeep = 366 * 24 * time.Hour

// Rotate gives an onion a new address. The old one works for as long as the
// request says, and ends by itself. Its keys are kept after that too.
func (f *Feature) Rotate(ctx context.Context, r api.RotateRequest) (api.Onion, error) {
	if err := checkRotation(r); err != nil {
		return api.Onion{}, err
	}
	if err := f.host.Edit(ctx, f.rotation(r)); err != nil {
		return api.Onion{}, err
	}
	return f.onion(ctx, r.Name)
}

// rotation retires the address that the onion has when it is the edit's turn.
func (f *Feature) rotation(r api.RotateRequest) feature.Edit {
	var address onion.Address
	var was []OldAddress
	return feature.Edit{
		Files: []string{f.rotations.Path()},
		Write: func() error {
			now, ok := f.host.Now().Addresses[r.Name]
			if !ok {
				return noSuchOnion(r.Name)
			}
			address, was = now, f.rotations.Get()
			return f.rotations.retire(f.Paths, r.Name, address, r.Keep)
		},
		Undo: func() error {
			if address == "" {
				return nil
			}
			f.rotations.Set(was)
			return unretire(f.Paths, r.Name, address)
		},
		Fault: onionFault,
	}
}

func checkRotation(r api.RotateRequest) error {
	if r.Keep < 0 || r.Keep > MaxKeep {
		return feature.Usage(fmt.Errorf("an old address cannot be kept for %s", r.Keep),
			"give a time between 0 and 366d, such as --keep 30d")
	}
	if r.Name == config.HomeOnion && !r.NewIdentity {
		return feature.Usage(errors.New("a new address for home is a new identity: mail, chat and friends know this box by the old one"),
			"tell your friends the new address and say --new-identity if that is what you want")
	}
	return nil
}

func noSuchOnion(name string) error {
	return feature.Usage(fmt.Errorf("no onion is called %q", name), "`tunic onions` lists the names")
}

// onion returns the status of one onion.
func (f *Feature) onion(ctx context.Context, name string) (api.Onion, error) {
	now := f.host.Now()
	now.Served, _ = f.Server.Status(ctx)
	now.TorNow = f.Tor.Status() // not that of the last pass
	for _, o := range f.describe(now.Scene) {
		if o.Name == name {
			return o, nil
		}
	}
	return api.Onion{}, noSuchOnion(name)
}

// RotateAlone is Rotate when no daemon runs; the caller holds the lock. It
// returns the new address.
func RotateAlone(p config.Paths, keys Keys, owner feature.IDs, r api.RotateRequest) (onion.Address, error) {
	if err := checkRotation(r); err != nil {
		return "", err
	}
	c, err := feature.Load(p)
	if err != nil {
		return "", err
	}
	if _, ok := c.Onion(r.Name); !ok {
		return "", noSuchOnion(r.Name)
	}
	dir := p.OnionKeys(r.Name)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", feature.Usage(fmt.Errorf("the onion %s has no address yet that could be changed", r.Name),
			"it gets one when the daemon runs")
	}
	address, err := keys(dir, owner)
	if err != nil {
		return "", err
	}
	old := newRotations(p)
	if err := old.load(); err != nil {
		return "", err
	}
	kept, err := durable.Keep(old.Path())
	if err != nil {
		return "", feature.Usage(err, "nothing was changed")
	}
	defer kept.Release()
	var next onion.Address
	if err = old.retire(p, r.Name, address, r.Keep); err == nil {
		next, err = keys(dir, owner)
	}
	if err != nil {
		return "", feature.NotDone(err, errors.Join(kept.PutBack(), unretire(p, r.Name, address)))
	}
	return next, nil
}

// Import puts the keys of another tor's onion, or of a vanity address, into the
// place where the onion of that name has its own.
func (f *Feature) Import(ctx context.Context, r api.ImportRequest) (api.Imported, error) {
	id, err := onion.NewIdentity(r.Secret)
	if err != nil {
		return api.Imported{}, feature.Usage(err, "")
	}
	id.Clients = r.Clients
	done := api.Imported{Name: r.Name, Address: id.Address.Host(), Clients: len(id.Clients)}
	err = f.host.Edit(ctx, f.WithNewKeys(r.Name, feature.Edit{
		Write: func() error { return ImportAlone(f.Paths, f.Owner, r.Name, id) },
		Fault: feature.Faults([]health.Code{health.TorRefused}), // its file, if it is there first, may be wrong yet
	}))
	if err != nil {
		return api.Imported{}, err
	}
	return done, nil
}

// ImportAlone is Import when no daemon runs; the caller holds the lock.
func ImportAlone(p config.Paths, owner feature.IDs, name string, id onion.Identity) error {
	if err := config.CheckName(name); err != nil {
		return feature.Usage(err, "")
	}
	dir := p.OnionKeys(name)
	if err := box.CheckState(p.State); err != nil {
		return err
	}
	if err := onlyHere(p, name, id.Address); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return haveKeys(p, name, id.Address)
	}
	if err := durable.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return fmt.Errorf("making the directory for onion keys: %w", err)
	}
	return id.Create(dir, int(owner.UID), int(owner.GID))
}

// haveKeys says what to do when there are keys already. The same ones are no
// mistake.
func haveKeys(p config.Paths, name string, address onion.Address) error {
	if onion.Hostname(p.OnionKeys(name)) == address.Host() {
		return nil
	}
	hint := fmt.Sprintf("choose another name, or first `tunic unpublish %s --forget-key`, which gives that address up for good", name)
	if name == config.HomeOnion {
		hint = "home keeps the address that it was made with; choose another name"
	}
	return feature.Usage(fmt.Errorf("the onion %s has other keys already, in %s", name, p.OnionKeys(name)), hint)
}

// onlyHere refuses an address that another onion of this box has or had: two
// services with one key would take each other's visitors away.
func onlyHere(p config.Paths, name string, address onion.Address) error {
	for _, pattern := range []string{p.OnionKeys("*"), p.RetiredKeys("*", "*")} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if dir != p.OnionKeys(name) && onion.Hostname(dir) == address.Host() {
				return feature.Usage(fmt.Errorf("%s is the address of keys that are here already, in %s", address.Host(), dir),
					"an address belongs to one onion")
			}
		}
	}
	return nil
}

// forgetKeys deletes the keys of an onion and of its old addresses for good.
// Nobody can have these addresses again. The onion has no file any more.
func (r rotations) forgetKeys(p config.Paths, name string) error {
	if name == config.HomeOnion {
		return forgetHome()
	}
	if err := config.CheckName(name); err != nil {
		return feature.Usage(err, "")
	}
	if !hasKeys(p, name) {
		return feature.Usage(fmt.Errorf("there are no keys of an onion called %q", name), "`tunic onions` lists the names")
	}
	err := r.change(func(all []OldAddress) []OldAddress {
		return slices.DeleteFunc(all, func(o OldAddress) bool { return o.Onion == name })
	})
	for _, path := range append(keyDirs(p, name), i2p.KeysFile(p.I2PKeys(), name)) {
		err = errors.Join(err, durable.RemoveAll(path))
	}
	if err != nil {
		return &api.Failure{Problem: api.Problem{Error: fmt.Sprintf("deleting the keys of onion %q: %v", name, err),
			Hint: "it is not published any more, but some of its keys are there: say the same again"}}
	}
	return nil
}

// keyDirs are where the keys of an onion are, and those of its old addresses.
func keyDirs(p config.Paths, name string) []string {
	return []string{p.OnionKeys(name), filepath.Dir(p.RetiredKeys(name, "x"))}
}

func hasKeys(p config.Paths, name string) bool { return slices.ContainsFunc(keyDirs(p, name), isDir) }

func forgetHome() error {
	return feature.Usage(errors.New("the onion home always has an address"), "`tunic rotate home --new-identity` gives it a new one")
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}
