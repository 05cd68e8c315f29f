package tor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/onion"
)

// TestWithoutPoW: the defence that tor 0.4.9 dies of is not asked for.
func TestWithoutPoW(t *testing.T) {
	if text := Render(fullSpec(), mended); strings.Contains(text, "PoW") {
		t.Errorf("it has the option:\n%s", text)
	}
}

// keySpec is a state whose key files this user can write.
func keySpec(t *testing.T) Spec {
	t.Helper()
	s := localSpec(t, "tor")
	dir := filepath.Join(s.RunDir, "photos")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Onions = []Onion{{Name: "photos", Dir: dir, Address: ownAddress, Socket: "/s", Ports: []uint16{80},
		Clients: []onion.ClientKey{bobKey}}}
	s.Auth = []Auth{{Onion: friendAddress, Key: aliceSecret}}
	return s
}

func TestKeyFiles(t *testing.T) {
	s := keySpec(t)
	client := filepath.Join(s.Onions[0].Dir, "authorized_clients", string(bobKey)+".auth")
	secret := filepath.Join(s.RunDir, "auth", string(friendAddress)+".auth_private")
	for range 2 {
		if err := writeKeys(s); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			client: "descriptor:x25519:" + string(bobKey) + "\n",
			secret: string(friendAddress) + ":descriptor:x25519:" + string(aliceSecret) + "\n",
		} {
			text, err := os.ReadFile(path)
			if err != nil || string(text) != want {
				t.Errorf("%s: %q, %v", path, text, err)
			}
			for p, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
				if info, err := os.Stat(p); err != nil || info.Mode() != mode {
					t.Errorf("%s: %v, %v", p, info.Mode(), err)
				}
			}
		}
	}
	alice, err := aliceSecret.Public()
	if err != nil {
		t.Fatal(err)
	}
	s.Onions[0].Clients, s.Auth = []onion.ClientKey{alice}, nil
	if err := writeKeys(s); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{client, secret} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
	s.Onions[0].Clients = nil
	if err := writeKeys(s); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(client)); len(left) > 0 {
		t.Errorf("an onion for everybody has %v", left)
	}
}

// The directories belong to tor: what tor puts there must not lead elsewhere.
// TestBalanceFile: tor starts no onion that is to be balanced without the file,
// and one that is not must not keep it.
func TestBalanceFile(t *testing.T) {
	s := keySpec(t)
	s.Onions[0].Clients, s.Onions[0].Balance = nil, friendAddress
	path := filepath.Join(s.Onions[0].Dir, "ob_config")
	for range 2 {
		if err := writeKeys(s); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if want := "MasterOnionAddress " + friendAddress.Host() + "\n"; err != nil || string(text) != want {
			t.Errorf("%q, %v; want %q", text, err, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if text := Render(s, Version{}); !strings.Contains(text, "\nHiddenServiceOnionBalanceInstance 1\n") {
		t.Errorf("torrc:\n%s", text)
	}
	s.Onions[0].Balance = ""
	if err := writeKeys(s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there", path)
	}
	if text := Render(s, Version{}); strings.Contains(text, "OnionBalance") {
		t.Errorf("torrc:\n%s", text)
	}
}

func TestKeyFilesFollowNoLink(t *testing.T) {
	s := keySpec(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(s.Onions[0].Dir, "authorized_clients")); err != nil {
		t.Fatal(err)
	}
	if err := writeKeys(s); err == nil {
		t.Error("a link was followed")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside is %v", left)
	}
}

func TestWhoLosesAVisitor(t *testing.T) {
	none := []onion.ClientKey{}
	for name, tc := range map[string]struct {
		before, after []onion.ClientKey
		want          bool
	}{
		"both public":     {nil, nil, false},
		"public, private": {nil, []onion.ClientKey{"a"}, true},
		"public, nobody":  {nil, none, true},
		"private, public": {[]onion.ClientKey{"a"}, nil, false},
		"one more":        {[]onion.ClientKey{"a"}, []onion.ClientKey{"b", "a"}, false},
		"another":         {[]onion.ClientKey{"a"}, []onion.ClientKey{"b"}, true},
		"one less":        {[]onion.ClientKey{"a", "b"}, []onion.ClientKey{"b"}, true},
		"the last":        {[]onion.ClientKey{"a"}, none, true},
		"from nobody":     {none, []onion.ClientKey{"a"}, false},
	} {
		if got := loses(tc.before, tc.after); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// visited is what tor says of its circuits while somebody visits two onions.
const visited = `250+circuit-status=
7 BUILT $A~a,$B~b BUILD_FLAGS=NEED_CAPACITY PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY=` + ownAddress + `
8 BUILT $A~a PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY=` + ownAddress + `
9 BUILT $A~a PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY=` + otherAddress + `
10 LAUNCHED PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_CONNECTING REND_QUERY=` + ownAddress + `
11 BUILT $A~a PURPOSE=CONFLUX_LINKED
.
250 OK`

// visitedNow is the same a moment later: somebody has come in meanwhile.
var visitedNow = strings.Replace(visited, "\n11 ", "\n12 LAUNCHED PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_CONNECTING REND_QUERY="+
	ownAddress+"\n11 ", 1)

// cutting is how those who visit our onion are cut: who asks, then who is there.
var cutting = []exchange{
	{"GETINFO circuit-status", visited}, {"CLOSECIRCUIT 8", `552 Unknown circuit "8"`},
	{"GETINFO circuit-status", visitedNow}, {"CLOSECIRCUIT 7", "250 OK"}, {"CLOSECIRCUIT 10", `552 Unknown circuit "10"`},
	{"CLOSECIRCUIT 12", "250 OK"},
}

// TestRevokeRepublishes: whoever holds the old descriptor must not come back
// by the old introduction points, and what is open ends: for the visitors too,
// who hear nothing of it from a tor that has let go of the onion. Before that,
// nobody can ask any more.
func TestRevokeRepublishes(t *testing.T) {
	restarts := 0
	spec := keySpec(t)
	tor := attached(t, &restarts, spec,
		slices.Concat(cutting, []exchange{{"+LOADCONF", "250 OK"}}, cutting, []exchange{{"+LOADCONF", "250 OK"}})...)
	next := spec.Clone()
	alice, _ := aliceSecret.Public()
	next.Onions[0].Clients = []onion.ClientKey{alice}
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if !tor.current().Equal(next) || restarts != 0 {
		t.Errorf("%d restarts, state %+v", restarts, tor.current())
	}
	if left, _ := os.ReadDir(filepath.Join(next.Onions[0].Dir, "authorized_clients")); len(left) != 1 ||
		left[0].Name() != string(alice)+".auth" {
		t.Errorf("the files of the clients are %v", left)
	}
}

func TestRepublish(t *testing.T) {
	restarts := 0
	spec := keySpec(t)
	tor := attached(t, &restarts, spec,
		slices.Concat(cutting, []exchange{{"+LOADCONF", "250 OK"}}, cutting, []exchange{{"+LOADCONF", "250 OK"}})...)
	if err := tor.Republish(t.Context(), "nobody"); err == nil {
		t.Error("an onion that is not there was published again")
	}
	if err := tor.Republish(t.Context(), "photos"); err != nil || !tor.current().Equal(spec) {
		t.Errorf("Republish = %v, state %+v", err, tor.current())
	}
}

// TestHalfARevocation: what tor does not take back stays away.
func TestHalfARevocation(t *testing.T) {
	restarts := 0
	spec := keySpec(t)
	tor := attached(t, &restarts, spec,
		slices.Concat(cutting, []exchange{{"+LOADCONF", "250 OK"}}, cutting[:3], []exchange{{"CLOSECIRCUIT 7", "close"}})...)
	next := spec.Clone()
	next.Onions[0].Clients = []onion.ClientKey{}
	if err := tor.Apply(t.Context(), next); err == nil {
		t.Error("Apply did not notice")
	}
	if now := tor.current(); restarts == 0 ||
		slices.ContainsFunc(now.Onions, func(o Onion) bool { return o.Clients == nil || len(o.Clients) > 0 }) {
		t.Errorf("%d restarts, state %+v", restarts, now)
	}
}

// A widening takes nobody away, and so cuts nobody.
func TestGrantCutsNobody(t *testing.T) {
	restarts := 0
	spec := keySpec(t)
	tor := attached(t, &restarts, spec, exchange{"+LOADCONF", "250 OK"})
	next := spec.Clone()
	alice, _ := aliceSecret.Public()
	next.Onions[0].Clients = append(next.Onions[0].Clients, alice)
	if err := tor.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
}

// TestRotatedStays: an address whose keys lie elsewhere from now on is the same
// onion, and its visitors stay; publishing again concerns both addresses.
func TestRotatedStays(t *testing.T) {
	old := keySpec(t)
	rotated := old.Clone()
	retired, fresh := rotated.Onions[0], rotated.Onions[0]
	retired.Dir, fresh.Address = retired.Dir+".retired", "another"
	rotated.Onions = append([]Onion{fresh, retired}, rotated.Onions[1:]...)
	if g := gone(old, rotated); len(g) != 0 {
		t.Errorf("gone: %v", g)
	}
	if g := gone(rotated, old); len(g) != 1 || g[0] != "another" {
		t.Errorf("gone on the way back: %v", g)
	}
}

// TestKeyFilesWaitForNoPipe: tor owns the directory, and may have been taken over.
func TestKeyFilesWaitForNoPipe(t *testing.T) {
	s := keySpec(t)
	if err := writeKeys(s); err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(s.Onions[0].Dir, "authorized_clients", string(bobKey)+".auth")
	if err := errors.Join(os.Remove(client), syscall.Mkfifo(client, 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- writeKeys(s) }()
	select {
	case err := <-done:
		if info, e := os.Lstat(client); err != nil || e != nil || !info.Mode().IsRegular() {
			t.Errorf("in place of the pipe is %v: %v, %v", info, err, e)
		}
	case <-time.After(30 * time.Second):
		t.Error("a pipe in place of a key is waited for")
	}
}

// TestKeyDirectoryWaitsForNoPipe: the same of the directory, of an onion that everybody finds too.
func TestKeyDirectoryWaitsForNoPipe(t *testing.T) {
	for _, files := range []map[string]string{nil, {"a.auth": "text"}} {
		parent := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(parent, clientsDir), 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- keepFiles(parent, clientsDir, clientSuffix, files, uint32(os.Getuid()), uint32(os.Getgid()))
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Error("a pipe is a directory")
			}
		case <-time.After(30 * time.Second):
			t.Errorf("a pipe in place of the directory for %d keys is waited for", len(files))
		}
	}
}
