package onions

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/onion"
)

var errRefused = errors.New("tor refuses it")

// laterTurn is a loop in which another verb has its turn first, and by which the edit
// then fails.
type laterTurn struct {
	feature.Host
	first     func()
	addresses map[string]onion.Address
}

func (l *laterTurn) Now() feature.Now {
	return feature.Now{Scene: feature.Scene{Addresses: l.addresses, Config: &config.Config{}}}
}

func (l *laterTurn) Edit(_ context.Context, e feature.Edit) error {
	l.first()
	err := e.Write()
	if err == nil {
		err = errRefused
	}
	if e.Undo != nil {
		err = errors.Join(err, e.Undo())
	}
	return err
}

type noNetworks struct{}

func (noNetworks) LocalPrefixes(context.Context) ([]netip.Prefix, error) { return nil, nil }

// newTurn is the feature, and a function that makes keys of an onion.
func newTurn(t *testing.T) (*laterTurn, *Feature, func(name string) onion.Address) {
	t.Helper()
	p, owner := config.NewPaths(t.TempDir()), feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	host := &laterTurn{addresses: make(map[string]onion.Address)}
	f := &Feature{Parts: Parts{Paths: p, Owner: owner, Now: time.Now, Kernel: noNetworks{}}, host: host, rotations: newRotations(p)}
	makeKeys := func(name string) onion.Address {
		if err := os.MkdirAll(filepath.Dir(p.OnionKeys(name)), 0o711); err != nil {
			t.Fatal(err)
		}
		a, err := onion.EnsureKeys(p.OnionKeys(name), os.Getuid(), os.Getgid())
		if err != nil {
			t.Fatal(err)
		}
		host.addresses[name] = a
		return a
	}
	return host, f, makeKeys
}

// Whoever publishes a name of which another verb has made the keys meanwhile, and
// fails, takes away none of them.
func TestAFailureKeepsTheKeysOfTheVerbBefore(t *testing.T) {
	host, f, makeKeys := newTurn(t)
	var address onion.Address
	host.first = func() { address = makeKeys("photos") }
	if _, err := f.Publish(t.Context(), api.PublishRequest{Name: "photos", Ports: []string{"80=127.0.0.1:8080"}}); err == nil {
		t.Fatal("published")
	}
	if got := onion.Hostname(f.Paths.OnionKeys("photos")); got != address.Host() || got == "" {
		t.Errorf("the keys are of %q, were of %s", got, address.Host())
	}
}

// Who rotates after another one rotated retires the newer address, and undoes that
// alone.
func TestARotationIsOfTheAddressAtItsTurn(t *testing.T) {
	host, f, makeKeys := newTurn(t)
	makeKeys("photos")
	var address onion.Address
	host.first = func() {
		if err := f.rotations.retire(f.Paths, "photos", host.addresses["photos"], time.Hour); err != nil {
			t.Fatal(err)
		}
		address = makeKeys("photos")
	}
	if _, err := f.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour}); !errors.Is(err, errRefused) {
		t.Errorf("rotated: %v", err)
	}
	if got := onion.Hostname(f.Paths.OnionKeys("photos")); got != address.Host() {
		t.Errorf("the keys are of %q, were of %s", got, address.Host())
	}
	if old := f.rotations.Get(); len(old) != 1 || old[0].Address == address {
		t.Errorf("old addresses: %+v", old)
	}
}
