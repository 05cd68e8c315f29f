package onions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
)

// OldAddress is an address that an onion had before it was rotated, and where
// visitors still find it for a while.
type OldAddress struct {
	Onion   string        `json:"onion"` // its name
	Address onion.Address `json:"address"`
	feature.Span
}

// former are the addresses of each onion.
func former(list []OldAddress) map[string][]onion.Address {
	m := make(map[string][]onion.Address)
	for _, o := range list {
		m[o.Onion] = append(m[o.Onion], o.Address)
	}
	return m
}

// ended reports whether the time is up. A clock that was set back ends nothing:
// a box without a battery starts in the past, and links to the old address are
// out in the world.
func (o OldAddress) ended(now time.Time) bool { return o.Ended(now) }

// rotations keeps which old addresses are still published.
type rotations struct {
	*feature.Kept[[]OldAddress]
	now func() time.Time
}

func newRotations(p config.Paths) rotations {
	return rotations{feature.Keep[[]OldAddress](filepath.Join(p.State, "rotations.json"), "which old addresses are published"), time.Now}
}

// load reads the file.
func (r rotations) load() error {
	if err := r.Load(); err != nil {
		return err
	}
	all, now := r.Get(), r.now()
	for i := range all {
		all[i].Resume(now)
	}
	return nil
}

// current returns the old addresses whose time is not up.
func (r rotations) current() []OldAddress {
	now := r.now()
	return slices.DeleteFunc(slices.Clone(r.Get()), func(o OldAddress) bool { return o.ended(now) })
}

// change applies f and keeps the result. If it cannot be kept nothing changes.
func (r rotations) change(f func([]OldAddress) []OldAddress) error { return r.Write(f(r.current())) }

// next is when an address ends; zero: none does.
func (r rotations) next() (next time.Time) {
	now := r.now()
	for _, o := range r.current() {
		if end := o.End(now); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next
}

// retire makes the address that an onion has now an old one: it is written down
// first, then its keys are moved away, and the next pass makes new ones. Only
// the second step changes the address, so a power cut leaves one or the other.
// Who undoes it puts the file back.
func (r rotations) retire(p config.Paths, name string, address onion.Address, keep time.Duration) error {
	to := p.RetiredKeys(name, string(address))
	if err := durable.MkdirAll(filepath.Dir(to), 0o711); err != nil { // tor passes through
		return fmt.Errorf("making the directory for the keys of old addresses: %w", err)
	}
	if err := chmodParents(to); err != nil {
		return err
	}
	old := OldAddress{Onion: name, Address: address, Span: feature.NewSpan(r.now(), keep)}
	if err := r.change(func(all []OldAddress) []OldAddress { return append(all, old) }); err != nil {
		return err
	}
	if err := durable.Rename(p.OnionKeys(name), to); err != nil {
		return fmt.Errorf("keeping the keys of the old address: %w", err)
	}
	return nil
}

// unretire gives an onion the keys back that it had before, if they were moved
// away, in the place of those that were made since, which nobody got to know.
func unretire(p config.Paths, name string, address onion.Address) error {
	from, to := p.RetiredKeys(name, string(address)), p.OnionKeys(name)
	if onion.Hostname(from) != address.Host() || onion.Hostname(to) == address.Host() {
		return nil
	}
	if err := durable.RemoveAll(to); err != nil {
		return err
	}
	return durable.Rename(from, to)
}

// chmodParents lets tor pass through the directories above retired keys,
// whatever the umask is.
func chmodParents(keys string) error {
	name := filepath.Dir(keys)
	return errors.Join(os.Chmod(name, 0o711), os.Chmod(filepath.Dir(name), 0o711))
}

// oldAddresses returns the old addresses whose keys are there and usable. One
// without its directory never was one: the power was cut before it began.
func (f *Feature) oldAddresses(ring Round, r *feature.Report) []OldAddress {
	var list []OldAddress
	for _, o := range f.rotations.current() {
		dir := f.Paths.RetiredKeys(o.Onion, string(o.Address))
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		have, err := ring.Ensure(dir, int(f.Owner.UID), int(f.Owner.GID))
		if err == nil && have != o.Address {
			err = fmt.Errorf("%s holds the keys of another address", dir)
		}
		if err != nil {
			r.Find(health.OldAddress, o.Onion, "the old address of onion %s is not published: %v", o.Onion, err)
			continue
		}
		list = append(list, o)
	}
	return list
}
