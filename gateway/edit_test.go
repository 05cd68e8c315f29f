package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
	"tunic/internal/native"
)

// editVerb is a verb that changes what is kept, and by which refusals of the box
// it must fail. Each is refused also by a disk.
type editVerb struct {
	do func(context.Context, *house) error
	by string
}

var guestTV = "02:00:00:00:00:10"

// editVerbs are all verbs that change what is kept on the disk.
func editVerbs() map[string]editVerb {
	device := func(r api.DeviceRequest) func(context.Context, *house) error {
		return func(ctx context.Context, h *house) error { _, err := h.devices.SetDevice(ctx, r); return err }
	}
	rotate := func(r api.RotateRequest) func(context.Context, *house) error {
		return func(ctx context.Context, h *house) error { _, err := h.onions.Rotate(ctx, r); return err }
	}
	return map[string]editVerb{
		"publish": {func(ctx context.Context, h *house) error {
			_, err := h.onions.Publish(ctx, api.PublishRequest{Name: "music", Ports: []string{"80=192.168.77.20:80"}})
			return err
		}, "verify tor"},
		"unpublish": {func(ctx context.Context, h *house) error {
			return h.onions.Unpublish(ctx, api.UnpublishRequest{Name: "photos"})
		}, "verify tor"},
		"unpublish --forget-key": {func(ctx context.Context, h *house) error {
			return h.onions.Unpublish(ctx, api.UnpublishRequest{Name: "photos", ForgetKey: true})
		}, "verify tor"},
		"rotate":      {rotate(api.RotateRequest{Name: "photos", Keep: time.Hour}), "tor"},
		"rotate home": {rotate(api.RotateRequest{Name: "home", NewIdentity: true}), "tor"},
		"device":      {device(api.DeviceRequest{Device: "tv", Policy: "direct"}), "verify rules"},
		"new device":  {device(api.DeviceRequest{Device: "pad", MAC: "02:00:00:00:00:11", Policy: "block"}), "verify rules"},
		"device for a while": {device(api.DeviceRequest{Device: "tv", Policy: "direct", For: time.Hour}),
			"rules"},
		"portal": {func(ctx context.Context, h *house) error {
			_, err := h.devices.Portal(ctx, api.PortalRequest{Device: "tv"})
			return err
		}, "rules"},
		"grant": {func(ctx context.Context, h *house) error {
			return h.onions.GrantClient(ctx, api.GrantRequest{Onion: "locked", Client: "ann:" + clientOfPhotos})
		}, "verify tor"},
		"revoke": {func(ctx context.Context, h *house) error {
			return h.onions.RevokeClient(ctx, api.RevokeRequest{Onion: "open", Client: "ann"})
		}, "verify tor"},
		"user add": {func(ctx context.Context, h *house) error {
			_, err := h.people.AddUser(ctx, api.UserRequest{Name: "carol", Password: "correct horse battery 9"})
			return err
		}, ""},
		"user passwd": {func(ctx context.Context, h *house) error {
			_, err := h.people.ChangeUser(ctx, api.UserRequest{Name: "bob", Password: "correct horse battery 9"})
			return err
		}, ""},
		"user remove": {func(ctx context.Context, h *house) error {
			return h.people.RemoveUser(ctx, api.UserRequest{Name: "bob"})
		}, ""},
		"probe": {func(ctx context.Context, h *house) error {
			return h.devices.Probe(ctx, api.ProbeRequest{Interface: feature.ProbePrefix + "x", For: time.Minute})
		}, "rules"},
	}
}

// aRecord is of a password that nobody needs.
var aRecord = sync.OnceValues(func() (account.Record, error) { return account.NewRecord("staple 7 battery horse") })

// editHouse has something for every verb to change.
func editHouse(t *testing.T, root string) *house {
	t.Helper()
	private := "private = true\nclients = [\"ann:" + clientOfPhotos + "\"]\n" + photos
	h := newHouseIn(t, root, map[string]string{"onions/photos.toml": photos, "onions/locked.toml": "private = true\n" + photos,
		"onions/open.toml": private, "onions/home.toml": "public = true\n[ports]\n", "devices/tv.toml": "mac = \"" + guestTV +
			"\" # in the attic\npolicy = \"tor\"\n"})
	record, err := aRecord()
	if err != nil {
		t.Fatal(err)
	}
	store := account.Store{Dir: h.Paths.Accounts()}
	for _, u := range []account.User{{Name: "alice", Role: account.Admin, Record: record},
		{Name: "bob", Role: account.Member, Record: record}} {
		if err := store.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	h.set(func() { h.servers = managed.Status{Ready: true} })
	h.running(t)
	_, err = h.devices.SetDevice(t.Context(), api.DeviceRequest{Device: guestTV, Policy: "onion", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.onions.Rotate(t.Context(), api.RotateRequest{Name: "open", Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// kept is what the box keeps, by path: its mode and bytes. A certificate of its
// own authority is not kept, it is made whenever it is not right.
func (h *house) kept(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, dir := range []string{h.Paths.Etc, h.Paths.State} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Dir(path) == h.Paths.CA() {
				return err
			}
			info, err := d.Info()
			text, err2 := os.ReadFile(path)
			all[path] = info.Mode().String() + " " + string(text)
			return errors.Join(err, err2)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// unchanged looks whether a verb that failed has changed nothing: not on the
// disk, not in memory, not in tor.
func (h *house) unchanged(t *testing.T, what string, verb func() error) (failed bool) {
	t.Helper()
	files, was, spec := h.now(t)
	err := verb()
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*api.Failure](err); !ok {
		t.Errorf("%s: %v says nothing of what to do", what, err)
	}
	filesNow, is, specNow := h.now(t)
	if !maps.Equal(files, filesNow) {
		t.Errorf("%s: %v, but this is changed: %s", what, err, otherFiles(files, filesNow))
	}
	if !reflect.DeepEqual(was, is) {
		t.Errorf("%s: %v, but in force is %+v, was %+v", what, err, is, was)
	}
	if !specNow.Equal(spec) {
		t.Errorf("%s: %v, but tor has another configuration", what, err)
	}
	return true
}

// now is what is kept, in force, and in tor between two passes.
func (h *house) now(t *testing.T) (files map[string]string, m memory, spec tor.Spec) {
	t.Helper()
	err := h.do(t.Context(), func(context.Context) error {
		files, m = h.kept(t), h.remember()
		h.set(func() { spec = h.torSpec })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, m, spec
}

func otherFiles(before, after map[string]string) string {
	var names []string
	for path := range before {
		if after[path] != before[path] {
			names = append(names, path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			names = append(names, "+"+path)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Whatever refuses, a verb that fails has changed nothing.
func TestVerbsUndo(t *testing.T) {
	for name, verb := range editVerbs() {
		for _, refusal := range []string{"verify", "tor", "rules"} {
			h := editHouse(t, t.TempDir())
			if refusal == "verify" { // tor is asked about the owner's own lines
				h.write(t, "torrc.d/x.conf", "MaxCircuitDirtiness 10\n")
			}
			h.set(func() { h.fail[refusal] = errBroken })
			failed := h.unchanged(t, name+", refused by "+refusal, func() error { return verb.do(t.Context(), h) })
			if want := slices.Contains(strings.Fields(verb.by), refusal); failed != want {
				t.Errorf("%s, when %s refuses: failed %v", name, refusal, failed)
			}
			h.set(func() { delete(h.fail, refusal) })
			os.Remove(filepath.Join(h.Paths.TorrcDir(), "x.conf"))
			if failed {
				if err := verb.do(t.Context(), h); err != nil {
					t.Errorf("%s, again when nobody refuses: %v", name, err)
				}
			}
		}
	}
}

// What is wrong elsewhere fails no verb.
func TestVerbsFailByTheirOwn(t *testing.T) {
	for name, verb := range editVerbs() {
		h := editHouse(t, t.TempDir())
		h.write(t, "endpoints/smtp.toml", "[smarthost]\nserver = \"mail.example.org:465\"\n"+
			"user = \"u\"\npassword-file = \"/nonexistent/pw\"\nfrom = \"me@example.org\"\n")
		if err := h.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "mail to the internet is refused") {
			t.Fatalf("a reload that brings the mistake: %v", err)
		}
		if err := verb.do(t.Context(), h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.Reload(t.Context()); err != nil {
			t.Errorf("a reload that changes nothing about it: %v", err)
		}
		if ready, why := ready(api.Status{State: api.Open, Findings: h.snapshot().findings}); !ready {
			t.Errorf("not ready: %s", why)
		}
	}
}

// diskTest names the process that has a disk of its own to fill.
const diskTest = "TUNIC_TEST_DISK"

// A disk that is full or read-only at any step of a verb leaves everything as it
// was, or the verb is done. The test fills a disk so that there is room for
// nothing, one block, two, and so on, until the verb succeeds.
func TestVerbsOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("takes root: mounts a file system in a namespace of its own")
	}
	if os.Getenv(diskTest) != "" {
		fullDisks(t)
		return
	}
	native.Require(t)
	c := exec.Command(os.Args[0], "-test.run=^TestVerbsOnAFullDisk$", "-test.timeout=4m")
	c.Env = append(os.Environ(), diskTest+"=yes")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // its mounts are private, and go with it
	out, err := c.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("no tests to run")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// takesNoRoom has the verbs that only take files away.
var takesNoRoom = map[string]bool{"unpublish": true, "unpublish --forget-key": true, "user remove": true}

func fullDisks(t *testing.T) {
	for name, verb := range editVerbs() {
		for _, limit := range []string{"blocks", "files", "writes"} {
			t.Run(name+"/"+limit, func(t *testing.T) {
				refused := 0
				for room := 0; ; room++ {
					h := diskHouse(t)
					if err := h.do(t.Context(), func(context.Context) error { return h.fill(limit, room) }); err != nil {
						t.Fatal(err)
					}
					what := fmt.Sprintf("%s with room for %d %s", name, room, limit)
					if !h.unchanged(t, what, func() error { return verb.do(t.Context(), h) }) {
						break
					}
					if refused++; limit == "writes" {
						break
					}
					if room > 40 {
						t.Fatal("it never succeeds")
					}
				}
				if refused == 0 && !(limit == "blocks" && takesNoRoom[name]) {
					t.Error("never refused: the disk was not full")
				}
			})
		}
	}
}

// diskHouse is an editHouse on a disk of its own, in memory: what lies below the
// house says so, and the house would refuse it.
func diskHouse(t *testing.T) *house {
	t.Helper()
	disk := t.TempDir()
	if err := os.Chmod(filepath.Dir(disk), 0o755); err != nil { // tor's user passes
		t.Fatal(err)
	}
	mount(t, disk, "tmpfs", "size=4m,nr_inodes=600,mode=755")
	for _, name := range []string{"lower", "upper", "work", "house"} {
		if err := os.Mkdir(filepath.Join(disk, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(disk, "house")
	mount(t, root, "overlay", fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", disk))
	return editHouse(t, root)
}

func mount(t *testing.T, dir, kind, options string) {
	t.Helper()
	if err := unix.Mount("tunic-test", dir, kind, 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves room on the house's disk for so many blocks or files.
func (h *house) fill(limit string, room int) error {
	if limit == "writes" {
		return unix.Mount("", h.Paths.Root, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(h.Paths.Root), &st); err != nil {
		return err
	}
	filler := filepath.Join(filepath.Dir(h.Paths.Root), "filler")
	if limit == "blocks" {
		n := int(st.Bavail) - room
		return os.WriteFile(filler, make([]byte, n*int(st.Bsize)), 0o600)
	}
	for i := range int(st.Ffree) - room {
		if err := os.Mkdir(fmt.Sprint(filler, i), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// During a lockdown every verb works, what it shuts is shut at once, and only a
// reload opens the household.
func TestVerbsInLockdown(t *testing.T) {
	for name, verb := range editVerbs() {
		h := editHouse(t, t.TempDir())
		if err := h.Lockdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _, before := h.now(t)
		err := verb.do(t.Context(), h)
		if name == "portal" { // which would let somebody out
			if err == nil {
				t.Error("a portal opens during a lockdown")
			}
			continue
		}
		_, _, after := h.now(t)
		if err != nil || mode(h.loaded) != "closed" || h.Gateway.Status(t.Context()).State != api.Closed {
			t.Errorf("%s: %v, and the rules are %s", name, err, mode(h.loaded))
		}
		if tells := strings.Contains(verb.by, "tor") && name != "grant"; tells && after.Equal(before) {
			t.Errorf("%s: tor was not told", name)
		}
		if err := h.Reload(t.Context()); err != nil || mode(h.loaded) != "open" {
			t.Errorf("%s, reloaded: %v, and the rules are %s", name, err, mode(h.loaded))
		}
	}
}

func TestEditAlone(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	path := h.Paths.OnionFile("photos")
	write := func(text string) func() error {
		return func() error { return os.WriteFile(path, []byte(text), 0o644) }
	}
	replace := func(text string) func() error {
		return func() error { return errors.Join(os.Remove(path), write(text)()) }
	}
	other := strings.Replace(photos, "8080", "8081", 1)
	for _, c := range [][2]string{{"[ports\n", photos}, {other, other}} {
		text, want := c[0], c[1]
		err := feature.EditAlone(h.Paths, replace(text), path)
		got, readErr := os.ReadFile(path)
		if (err == nil) != (want == text) || readErr != nil || string(got) != want {
			t.Errorf("%q: %v, the file is %q, %v", text, err, got, readErr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.Paths.OnionDir(), ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What could not be put back is said, and nobody says that nothing was changed.
func TestNotDone(t *testing.T) {
	refused := feature.Usage(errors.New("no"), "nothing was changed")
	if err := feature.NotDone(refused, nil); err != refused {
		t.Errorf("%v", err)
	}
	err := feature.NotDone(refused, errors.New("putting x back: no room"))
	f, ok := errors.AsType[*api.Failure](err)
	if !ok || f.Usage || strings.Contains(f.Hint, "nothing") || !strings.Contains(f.Problem.Error, "putting x back") ||
		!strings.Contains(f.Problem.Error, "no\n") {
		t.Errorf("%+v", f)
	}
}

const clientOfPhotos = "3YOZRSTWHPFUIZQTBIJXMXL7K4UYNWYAXJ5UYZGDZ2AL3E7GSUSA"

// lookingKernel counts how often somebody looks around.
type lookingKernel struct {
	Kernel
	looks *int
}

func (k lookingKernel) Surroundings(ctx context.Context, household []string) (feature.Surroundings, error) {
	*k.looks++
	return k.Kernel.Surroundings(ctx, household)
}

// TestEditLooksOnce: the pass of an edit goes by what was seen and compiled to judge it; each other
// pass looks itself, and that after a refused edit too.
func TestEditLooksOnce(t *testing.T) {
	h, looks := newHouse(t, nil), 0
	h.Kernel = lookingKernel{h.Kernel, &looks}
	h.work(t.Context())
	write := func(text string) func() error {
		return func() error { return os.WriteFile(h.Paths.OnionFile("photos"), []byte(text), 0o644) }
	}
	if err := os.MkdirAll(h.Paths.OnionDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	before, was := looks, h.compiled.to.Tables
	if err := write(photos)(); err != nil {
		t.Fatal(err)
	}
	if err := h.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged := h.compiled.to.Tables
	h.work(t.Context())
	if looks != before+1 || &h.compiled.to.Tables[0] != &judged[0] || &judged[0] == &was[0] {
		t.Errorf("it looked %d times, compiled again: %v", looks-before, &h.compiled.to.Tables[0] != &judged[0])
	}
	if h.work(t.Context()); looks != before+2 {
		t.Errorf("the next pass looked %d times", looks-before-1)
	}
	wrong := feature.Edit{Write: write("[ports]\n80 = 'nothing'\n"), Load: true, Files: []string{h.Paths.OnionFile("photos")}}
	err := h.edit(t.Context(), wrong)
	if err == nil || h.sight != nil {
		t.Errorf("after a refused edit: %v, %v", err, h.sight)
	}
}
