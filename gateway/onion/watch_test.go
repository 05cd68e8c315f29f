package onion

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watchedKeys are some onions' directories with a keyring that knows them by its watch.
func watchedKeys(t *testing.T, names ...string) (k *Keyring, base string) {
	t.Helper()
	k, base = new(Keyring), filepath.Join(t.TempDir(), "onions")
	for _, name := range names {
		for range 2 { // its keys are made, and then it is known
			if _, err := k.Round().Ensure(filepath.Join(base, name), os.Getuid(), os.Getgid()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := k.Round().ForeignClients(filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if q := k.Round().watch.at(filepath.Join(base, name)); q == nil || q.address == "" || !q.asked {
			t.Fatalf("%s is not known: %+v", name, q)
		}
	}
	return k, base
}

// What happens around a directory is noticed too, and that of one onion makes nobody look at another.
func TestWatchForgets(t *testing.T) {
	for what, x := range map[string]struct {
		change func(base string) error
		both   bool // the other one is forgotten with it
	}{
		"a file":                   {func(base string) error { return os.WriteFile(base+"/a/x", nil, 0o600) }, false},
		"a directory of clients":   {func(base string) error { return os.Mkdir(base+"/a/"+clientsDir, 0o700) }, false},
		"another owner":            {func(base string) error { return os.Lchown(base+"/a", os.Getuid(), os.Getgid()) }, false},
		"another name of a file":   {func(base string) error { return os.Link(base+"/a/"+secretFile, base+"/a/x") }, false},
		"elsewhere":                {func(base string) error { return os.Rename(base+"/a", base+"/x") }, false},
		"another one in its place": {func(base string) error { return swap(base+"/a", base+"/b") }, true},
		"all elsewhere":            {func(base string) error { return os.Rename(base, base+"-x") }, true},
		"gone":                     {func(base string) error { return os.RemoveAll(base + "/a") }, false},
		"all gone":                 {os.RemoveAll, true},
	} {
		k, base := watchedKeys(t, "a", "b")
		if err := x.change(base); err != nil {
			t.Fatal(what, err)
		}
		if k.Round().watch.at(base+"/a") != nil || (k.Round().watch.at(base+"/b") == nil) != x.both {
			t.Errorf("%s: known are %v", what, k.watch.dirs)
		}
	}
}

func swap(x, y string) error {
	return unix.Renameat2(unix.AT_FDCWD, x, unix.AT_FDCWD, y, unix.RENAME_EXCHANGE)
}

// Clients that another tor has left are read again when something about them changes.
func TestWatchOfClients(t *testing.T) {
	k, base := watchedKeys(t, "a")
	clients := filepath.Join(base, "a", clientsDir)
	secret, err := NewClientSecret()
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(clients, 0o700); err != nil {
		t.Fatal(err)
	}
	count := func(want int, what string) {
		for range 2 {
			if got, err := k.Round().ForeignClients(filepath.Join(base, "a")); err != nil || len(got) != want {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
	}
	count(0, "an empty directory")
	if err := os.WriteFile(filepath.Join(clients, "bob.auth"), []byte(key.Line()), 0o600); err != nil {
		t.Fatal(err)
	}
	count(1, "one who came")
	if err := os.WriteFile(filepath.Join(clients, "bob.auth"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Round().ForeignClients(filepath.Join(base, "a")); err == nil || !strings.Contains(err.Error(), "bob") {
		t.Errorf("what it cannot read it does not say: %v", err)
	}
	if err := os.Remove(filepath.Join(clients, "bob.auth")); err != nil {
		t.Fatal(err)
	}
	count(0, "one who left")
}

// A directory belongs to tor's user: a link in it is followed to nowhere, and not watched.
func TestWatchFollowsNoLink(t *testing.T) {
	k, base := watchedKeys(t, "a")
	if err := os.Symlink(t.TempDir(), filepath.Join(base, "a", clientsDir)); err != nil {
		t.Fatal(err)
	}
	if q := k.Round().quiet(filepath.Join(base, "a")); q != nil {
		t.Errorf("%+v", q)
	}
	if err := os.Symlink("a", filepath.Join(base, "b")); err != nil {
		t.Fatal(err)
	}
	if q := k.Round().quiet(filepath.Join(base, "b")); q != nil {
		t.Errorf("%+v", q)
	}
}

// Silence is believed for a while alone, not at all when events were lost, and of no other kernel.
func TestWatchIsNotBelievedForEver(t *testing.T) {
	k, base := watchedKeys(t, "a", "b")
	k.watch.dirs[base+"/a"].since = time.Now().Add(-believed - time.Second)
	if k.Round().watch.at(base+"/a") != nil || k.Round().watch.at(base+"/b") == nil {
		t.Errorf("after a while: %v", k.watch.dirs)
	}
	event := make([]byte, unix.SizeofInotifyEvent)
	binary.NativeEndian.PutUint32(event, ^uint32(0)) // of no watch
	binary.NativeEndian.PutUint32(event[4:], unix.IN_Q_OVERFLOW)
	if k.watch.take(event); len(k.watch.dirs) > 0 {
		t.Errorf("when events were lost: %v", k.watch.dirs)
	}
	k, base = watchedKeys(t, "a")
	if err := unix.Close(k.watch.fd); err != nil {
		t.Fatal(err)
	}
	if k.Round().watch.at(base+"/a") != nil || k.Round().quiet(base+"/a") != nil {
		t.Error("without a kernel that tells it is believed")
	}
	if _, err := k.Round().Ensure(base+"/a", os.Getuid(), os.Getgid()); err != nil {
		t.Error(err)
	}
}

// What is made and moved away leaves no watch.
func TestWatchesEnd(t *testing.T) {
	k, base := watchedKeys(t, "a")
	for i := range 20 {
		dir := filepath.Join(base, "b")
		for range 2 {
			if _, err := k.Round().Ensure(dir, os.Getuid(), os.Getgid()); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(dir, dir+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	k.Round().watch.at(base)
	if n := len(k.watch.own) + len(k.watch.dirs) + len(k.watch.parents); n != 3 {
		t.Errorf("left: %v %v %v", k.watch.own, k.watch.dirs, k.watch.parents)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", k.watch.fd))
	if n := strings.Count(string(text), "inotify wd:"); err != nil || n != 2 {
		t.Errorf("the kernel has %d watches, %v", n, err)
	}
}
