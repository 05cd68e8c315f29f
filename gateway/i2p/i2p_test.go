package i2p

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/managed"
)

func settings() Settings {
	return Settings{Dir: "/run/tunic/i2pd", Router: "/var/lib/tunic/i2p/router", Keys: "/var/lib/tunic/i2p/keys", UID: 114, GID: 115,
		SOCKS: netip.MustParseAddrPort("127.0.0.1:9447"), Tor: netip.MustParseAddrPort("127.0.0.1:9250"),
		Lines: []string{"netid = 77", "reseed.urls = https://example.org/"},
		Tunnels: []Tunnel{{"photos", 80, netip.MustParseAddrPort("127.70.0.1:9349")},
			{"photos", 443, netip.MustParseAddrPort("127.70.0.2:9349")}}}
}

// All of i2pd's ways out are tor's, it offers nothing to anybody, and is published nowhere.
func TestSpec(t *testing.T) {
	s := settings().Spec()
	for _, arg := range []string{"--ntcp2.proxy=socks://127.0.0.1:9250", "--reseed.proxy=socks://127.0.0.1:9250", "--ssu2.enabled=false",
		"--ntcp2.published=false", "--ssu2.published=false", "--notransit", "--upnp.enabled=false", "--nettime.enabled=false",
		"--reseed.verify=true", "--http.enabled=false", "--httpproxy.enabled=false", "--sam.enabled=false", "--bob.enabled=false",
		"--i2cp.enabled=false", "--i2pcontrol.enabled=false", "--socksproxy.outproxy.enabled=false", "--socksproxy.address=127.0.0.1",
		"--socksproxy.port=9447", "--loglevel=error"} {
		if !slices.Contains(s.Args, arg) {
			t.Errorf("it lacks %s", arg)
		}
	}
	if s.UID != 114 || s.GID != 115 || s.Work != "/var/lib/tunic/i2p/router" || s.Memory == 0 {
		t.Errorf("%+v", s)
	}
	want := []managed.File{
		{Path: "/run/tunic/i2pd/i2pd.conf", Text: "netid = 77\nreseed.urls = https://example.org/\n", Change: managed.Restart},
		{Path: "/run/tunic/i2pd/tunnels.conf", Change: managed.Reload,
			Text: "[photos-80]\ntype = server\nhost = 127.70.0.1\nport = 9349\ninport = 80\nkeys = ../keys/photos.dat\n" +
				"enableuniquelocal = true\n[photos-443]\ntype = server\nhost = 127.70.0.2\nport = 9349\ninport = 443\n" +
				"keys = ../keys/photos.dat\nenableuniquelocal = true\n"}}
	for i, f := range s.Files {
		if f.Path != want[i].Path || f.Text != want[i].Text || f.Change != want[i].Change {
			t.Errorf("%+v, want %+v", f, want[i])
		}
	}
}

// Keys are read back as they were made, no two are the same, and others are refused.
func TestKeys(t *testing.T) {
	path := KeysFile(t.TempDir(), "photos")
	k, other := NewKeys(), NewKeys()
	if k.Address() == other.Address() || !strings.HasSuffix(k.Address(), ".b32.i2p") || len(k.Address()) != 52+len(Suffix) {
		t.Errorf("%s, %s", k.Address(), other.Address())
	}
	write := func(k Keys) {
		t.Helper()
		if err := os.WriteFile(path, k, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(k)
	if again, err := ReadKeys(path); err != nil || again.Address() != k.Address() {
		t.Errorf("%v, %v", again, err)
	}
	mixed, kind := slices.Clone(k), slices.Clone(k)
	copy(mixed[keysSize-32:], other[keysSize-32:])
	kind[destinationSize-3] = 11
	for name, bad := range map[string]Keys{"cut": k[:keysSize-1], "empty": nil, "of another kind": kind, "another's private key": mixed} {
		write(bad)
		if _, err := ReadKeys(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadKeys(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("none: %v", err)
	}
}

// The address is the hash of the destination alone, as Python's hashlib and base64 have it
// for one of zeros.
func TestAddress(t *testing.T) {
	k := make(Keys, keysSize)
	copy(k[destinationSize-certificateSize:], certificate)
	const want = "yki53a2rw6v5eakh6nan3tj46xhnbsutmbktawuaz7d7l5r5smca.b32.i2p"
	if got := k.Address(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The file of keys is i2pd's, which may have been taken over: it is not read without end.
func TestKeysWithoutEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.dat")
	if err := errors.Join(os.WriteFile(path, NewKeys(), 0o600), os.Truncate(path, 1<<30)); err != nil {
		t.Fatal(err)
	}
	before := allocated()
	if _, err := ReadKeys(path); err == nil {
		t.Error("they are keys")
	}
	if n := allocated() - before; n > 16<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
