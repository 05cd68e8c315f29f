package xmpp

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
	"tunic/rules"
)

// Names with a dot or a dash are files as Prosody writes them.
func TestFileName(t *testing.T) {
	for name, want := range map[string]string{"bob": "bob", "a.b-c_1": "a%2eb%2dc%5f1"} {
		if got := fileName(name); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

// A box came back if nothing was heard of it for long, or if something waits for it.
func TestComeback(t *testing.T) {
	start := time.Unix(0, 0)
	for _, x := range []struct {
		heard time.Time
		waits bool
		came  bool
	}{
		{start, true, false}, {start.Add(time.Minute), false, false},
		{start.Add(time.Minute), true, true}, {start.Add(time.Hour), false, true},
	} {
		c := comeback{heard: start}.after(x.heard, func() bool { return x.waits })
		if c.heard != x.heard || c.came.IsZero() == x.came {
			t.Errorf("%+v: %+v", x, c)
		}
	}
}

// scene is of a box with an XMPP server, a user and a friend whose box has spoken.
func scene(t *testing.T) feature.Scene {
	p := config.NewPaths(t.TempDir())
	if err := os.MkdirAll(p.State, 0o755); err != nil {
		t.Fatal(err)
	}
	authority, err := ca.Load(p.CA(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ids := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if ids == (feature.IDs{}) { // of root's tests
		ids = feature.IDs{UID: 112, GID: 112}
	}
	return feature.Scene{Paths: p, ChildIDs: feature.ChildIDs{XMPP: ids}, Authority: authority, Certain: time.Now(),
		Config:    &config.Config{Endpoints: []config.Endpoint{{Name: "xmpp"}}, Peers: []config.Peer{{Name: "alice", Onion: "aaaa"}}},
		Facts:     feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}},
		Addresses: map[string]onion.Address{"home": "bbbb"},
		Heard:     map[onion.Address]time.Time{"aaaa": time.Unix(0, 0)},
		Users:     []account.User{{Name: "ann", Role: account.Admin}}}
}

// wanted is what f wants in a scene, and what it finds there.
func wanted(t *testing.T, f *Feature, s feature.Scene) (d feature.Desired, r feature.Report) {
	t.Helper()
	f.Look(t.Context(), &s, &r).Add(s, &d)
	return d, r
}

// foreseen is a scene for a plan.
func foreseen(s feature.Scene) feature.Scene {
	s.Foreseen, s.Certain = true, time.Time{}
	return s
}

// A plan wants what a pass does, before and after what is missing has been made,
// and makes nothing.
func TestPlanAndPass(t *testing.T) {
	f, s := New(), scene(t)
	before, err := os.ReadDir(s.Paths.State)
	if err != nil {
		t.Fatal(err)
	}
	ahead, _ := wanted(t, f, foreseen(s))
	if after, _ := os.ReadDir(s.Paths.State); len(after) != len(before) || len(ahead.Servers) != 1 {
		t.Errorf("a plan made %v, and wants %d servers", after, len(ahead.Servers))
	}
	d, r := wanted(t, f, s)
	if len(d.Servers) != 1 || len(r.Findings) > 0 {
		t.Fatalf("%d servers, %v", len(d.Servers), r.Findings)
	}
	if again, _ := wanted(t, f, foreseen(s)); !reflect.DeepEqual(again, d) {
		t.Error("a plan after it has something to change")
	}
	later := foreseen(s)
	later.Heard = map[onion.Address]time.Time{"aaaa": time.Unix(3600, 0)}
	wanted(t, f, later)
	if again, _ := wanted(t, f, s); !reflect.DeepEqual(again, d) {
		t.Error("a plan changes what the next pass wants")
	}
	doors := []rules.Service{{Name: "xmpp", Public: 5222, Internal: config.ServeXMPPPort},
		{Name: "files", Public: config.FilesPort, Internal: config.ServeFilesPort},
		{Name: "friends-files", Virtual: true, Public: config.FilesPort, Internal: config.ServeFriendsPort}}
	if !slices.Equal(d.Rules.Services, doors) || len(d.Listeners) != 6 {
		t.Errorf("%+v, %+v", d.Rules.Services, d.Listeners)
	}
}

// Without its user or a certificate there is no server. A damaged authority is not
// replaced, so a plan promises none.
func TestNoServer(t *testing.T) {
	nobody, unsure, damaged := scene(t), scene(t), scene(t)
	nobody.XMPP, unsure.Certain, damaged.Authority = feature.IDs{}, time.Time{}, nil
	if err := os.WriteFile(filepath.Join(damaged.Paths.CA(), "authority.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		scene feature.Scene
		want  []health.Code
	}{
		{nobody, []health.Code{health.ServerMissing}}, {unsure, []health.Code{health.ClockUntrusted}}, {damaged, nil},
		{foreseen(damaged), nil},
	} {
		d, r := wanted(t, New(), x.scene)
		var codes []health.Code
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
		}
		if len(d.Servers)+len(d.Rules.Services)+len(d.Listeners) > 0 || !slices.Equal(codes, x.want) {
			t.Errorf("%v: %+v, %v", x.want, d, codes)
		}
	}
	none := foreseen(scene(t))
	none.Paths, none.Authority = config.NewPaths(t.TempDir()), nil
	if d, _ := wanted(t, New(), none); len(d.Servers) != 1 {
		t.Error("a plan for a box without an authority wants no server")
	}
}

// TestUsersWaitForNoPipe: the server owns the directory, and may have been taken over.
func TestUsersWaitForNoPipe(t *testing.T) {
	dir, me := t.TempDir(), feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	write := func() error { return writeUsers(dir, "home.arpa", []account.User{{Name: "bob"}}, me) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "home%2earpa/accounts/bob.dat")
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- write() }()
	select {
	case err := <-done:
		if info, e := os.Lstat(file); err != nil || e != nil || !info.Mode().IsRegular() {
			t.Errorf("in place of the pipe is %v: %v, %v", info, err, e)
		}
	case <-time.After(time.Minute):
		t.Error("a pipe in place of an account is waited for")
	}
}
