package onions

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
)

// Self is the key by which this box, and with it the household, finds its own
// private onions. The zero Self finds none.
type Self struct {
	Secret onion.ClientSecret
	Public onion.ClientKey
}

// readOwnKey reads the box's own key, which it makes at first. Without it the private
// onions are there for those who were let in, and for nobody here.
func (f *Feature) readOwnKey(r *feature.Report) {
	if f.ownKey() != (Self{}) {
		return
	}
	self, err := loadSelf(f.Paths)
	if err != nil {
		r.Find(health.SelfUnusable, "", "this house does not reach its own private onions: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.self = self
}

// loadSelf reads the key from its file, or makes both.
func loadSelf(p config.Paths) (Self, error) {
	path := p.SelfKey()
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSelf(path)
	}
	if err != nil {
		return Self{}, err
	}
	secret, err := onion.ParseClientSecret(strings.TrimSpace(string(raw)))
	if err != nil {
		return Self{}, fmt.Errorf("%s: %w: remove it, and another is made", path, err)
	}
	return selfOf(secret)
}

func makeSelf(path string) (Self, error) {
	secret, err := onion.NewClientSecret()
	if err != nil {
		return Self{}, err
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return Self{}, err
	}
	if err := durable.Write(path, []byte(string(secret)+"\n"), 0o600); err != nil {
		return Self{}, err
	}
	return selfOf(secret)
}

func selfOf(secret onion.ClientSecret) (Self, error) {
	public, err := secret.Public()
	return Self{secret, public}, err
}

// withSelf adds the box to those who may find an onion that somebody may find.
func withSelf(keys []onion.ClientKey, self Self) []onion.ClientKey {
	if len(keys) == 0 || self.Public == "" || slices.Contains(keys, self.Public) {
		return keys
	}
	return append(keys, self.Public)
}

// ownAddresses are all addresses of this box's onions whose keys are here:
// published or not, with those that they had before.
func ownAddresses(s *feature.Scene) []onion.Address {
	list := slices.Sorted(maps.Values(s.Addresses))
	retired, _ := filepath.Glob(s.Paths.RetiredKeys("*", "*")) // the patterns are right
	for _, dir := range retired {
		list = append(list, onion.Address(filepath.Base(dir)))
	}
	for _, name := range namesIn(s.Paths.OnionKeys("")) {
		if _, known := s.Addresses[name]; known {
			continue
		}
		if i, err := onion.ReadIdentity(s.Paths.OnionKeys(name)); err == nil { // else it has no address
			list = append(list, i.Address)
		}
	}
	return list
}

// namesIn lists a directory, sorted; none if it cannot be read.
func namesIn(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	slices.Sort(names)
	return names
}
