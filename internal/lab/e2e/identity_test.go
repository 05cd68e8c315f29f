//go:build lab

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/internal/lab"
)

// testIdentity is about what makes an onion the one that it is.
func testIdentity(w *world) {
	w.run("an imported address, and a new one beside it", rotateImported)
	w.run("an onion that is not anonymous", notAnonymous)
}

// rotateImported: an address of another tor's is served here, and both it and
// the next one are until the time is over.
func rotateImported(w *world) {
	dir := filepath.Join(w.TempDir(), "foreign")
	want, err := onion.EnsureKeys(dir, os.Getuid(), os.Getgid())
	if err != nil {
		w.Fatal(err)
	}
	if got := w.must("gateway", "tunic", "import", "blog", dir); got != want.Host() {
		w.Fatalf("imported as %s, not %s", got, want.Host())
	}
	if got := w.publish("blog", "80="+lab.NASOnionTarget); got != want.Host() {
		w.Fatalf("published as %s, not %s", got, want.Host())
	}
	w.visit("http://"+want.Host()+"/", "This is the nas.", 30*time.Second)
	begin := time.Now()
	next := w.must("gateway", "tunic", "rotate", "blog", "--keep", "1h")
	w.timed("rotate", time.Since(begin))
	w.visit("http://"+next+"/", "This is the nas.", 30*time.Second)
	w.visit("http://"+want.Host()+"/", "This is the nas.", 30*time.Second)
	if o := w.onion("blog"); next == want.Host() || o.Address != next || len(o.Old) != 1 || o.Old[0].Address != want.Host() ||
		!o.Old[0].Published {
		w.Errorf("status of the rotated onion: %+v", o)
	}
	w.keysAreSecret()
	w.must("gateway", "tunic", "unpublish", "blog", "--forget-key", "--yes")
}

// keysAreSecret (P08): nobody but tor's user can open a key.
func (w *world) keysAreSecret() {
	w.Helper()
	keys := 0
	err := filepath.WalkDir(w.paths().State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "hs_ed25519_secret_key") {
			return err
		}
		keys++
		if info, err := d.Info(); err != nil || info.Mode() != 0o600 {
			w.Errorf("%s: %v, %v", path, info, err)
		}
		return nil
	})
	if err != nil || keys < 3 {
		w.Errorf("%d keys, %v", keys, err)
	}
}

// notAnonymous: such an onion has a tor of its own, one hop from its relays;
// that tor's end closes nothing, and it is gone when nobody needs it.
func notAnonymous(w *world) {
	address := w.must("gateway", "tunic", "publish", "films", "80="+lab.NASOnionTarget, "--fast", "--yes")
	w.visit("http://"+address+"/", "This is the nas.", 30*time.Second)
	if o := w.onion("films"); o.Anonymous {
		w.Errorf("status: %+v", o)
	}
	if hops := w.visitorHops(); len(hops) == 0 || slices.Max(hops) != 1 {
		w.Errorf("relays on the circuits of visitors: %v, not one", hops)
	}
	tors := w.pids("tor", w.paths().FastTorrc())
	if len(tors) != 1 {
		w.Fatalf("processes of the fast tor: %v", tors)
	}
	if err := syscall.Kill(tors[0], syscall.SIGKILL); err != nil {
		w.Fatal(err)
	}
	w.arrives()
	if s := w.status(); s.State != api.Open {
		w.Errorf("the household is %s", s.State)
	}
	took := w.fetched("friend-laptop", "This is the nas.", 60*time.Second, "http://"+address+"/")
	w.timed("killed fast tor to the friend's next page", took)
	w.must("gateway", "tunic", "unpublish", "films")
	w.eventually("the fast tor is gone", 20*time.Second, func() bool { return len(w.pids("tor", w.paths().FastTorrc())) == 0 })
	w.must("gateway", "tunic", "unpublish", "films", "--forget-key", "--yes")
}

// visitorHops asks the fast tor how many relays are between it and the points
// where it meets visitors (control-spec, GETINFO circuit-status).
func (w *world) visitorHops() (hops []int) {
	w.Helper()
	text := w.ask(w.paths().FastRun(), "GETINFO circuit-status")
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); strings.Contains(line, "PURPOSE=HS_SERVICE_REND") && len(words) > 2 {
			hops = append(hops, strings.Count(words[2], "$"))
		}
	}
	return hops
}

const backupPassphrase = "four words for one house\n"

// feed runs a command with a text as its standard input.
func (w *world) feed(text, node string, args ...string) (string, error) {
	w.Helper()
	cmd, err := w.lab.Command(w.ctx, node, args...)
	if err != nil {
		w.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// testMove: the box is gone, and an empty one in another house becomes it; a
// friend finds it at the same addresses. It is the last test: the first box
// stays off, since directories refuse what it says of an onion for some minutes
// after another tor has published it.
func testMove(w *world) {
	w.publish("album", "80="+lab.NASOnionTarget)
	w.must("gateway", "tunic", "rotate", "album", "--keep", "1h")
	home, album := w.must("gateway", "tunic", "address", "home"), w.onion("album")
	file := filepath.Join(w.TempDir(), "house.age")
	begin := time.Now()
	if out, err := w.feed(backupPassphrase, "gateway", "tunic", "backup", file); err != nil {
		w.Fatalf("backup: %v\n%s", err, out)
	}
	w.timed("backup of a running box", time.Since(begin))
	if out, err := w.feed(backupPassphrase, "gateway", "tunic", "restore", file, "--force"); err == nil ||
		!strings.Contains(out, "a tunic daemon runs already") {
		w.Errorf("restore beside a running daemon: %v\n%s", err, out)
	}
	w.stop(syscall.SIGTERM)
	empty := config.NewPaths(w.lab.Root("c-gateway"))
	for _, dir := range []string{empty.Etc, empty.State} { // which the lab has filled
		if err := os.RemoveAll(dir); err != nil {
			w.Fatal(err)
		}
	}
	w.badRestores(file, empty)
	begin = time.Now()
	if out, err := w.feed(backupPassphrase, "c-gateway", "tunic", "restore", file); err != nil {
		w.Fatalf("restore: %v\n%s", err, out)
	}
	w.timed("restore on an empty box", time.Since(begin))
	w.turnOn("c-gateway")
	w.timed("restore to ready on the new box", time.Since(begin))
	took := w.fetched("friend-laptop", "Welcome to the box called gateway", 90*time.Second, "gopher://"+home+"/0/welcome.txt")
	w.timed("ready to the friend's first page from the new box", took)
	onions := w.must("c-gateway", "tunic", "onions")
	for _, address := range []string{home, album.Address, album.Old[0].Address} {
		if !strings.Contains(onions, address) {
			w.Errorf("%s is missing:\n%s", address, onions)
		}
	}
}

// badRestores: whatever is wrong with the file, the box stays empty.
func (w *world) badRestores(file string, empty config.Paths) {
	w.Helper()
	good, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	short := filepath.Join(w.TempDir(), "short.age")
	w.write(short, string(good[:len(good)-500]))
	for want, run := range map[string]struct{ passphrase, file string }{
		"does not open with this key": {"not those words\n", file},
		"damaged or incomplete":       {backupPassphrase, short},
	} {
		out, err := w.feed(run.passphrase, "c-gateway", "tunic", "restore", run.file)
		if err == nil || !strings.Contains(out, want) {
			w.Errorf("want %q: %v\n%s", want, err, out)
		}
	}
	for _, dir := range []string{empty.Etc, empty.State} {
		if _, err := os.Lstat(dir); err == nil {
			w.Errorf("%s is there", dir)
		}
	}
}
