package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"
)

// home is a little box: two trees in a directory of the test's own.
type home struct {
	t     *testing.T
	dir   string
	trees []Tree
}

func newHome(t *testing.T) *home {
	h := &home{t: t, dir: t.TempDir()}
	h.trees = []Tree{
		{Name: "etc/tunic", Dir: filepath.Join(h.dir, "etc/tunic"), Follow: true},
		{Name: "var/lib/tunic", Dir: filepath.Join(h.dir, "var/lib/tunic"),
			Skip: func(rel string) bool { return rel == "cache" },
			Live: func(rel string, _ fs.FileInfo) bool { return rel == "mail" }},
	}
	return h
}

// full is a home with everything in it that a backup must cope with.
func full(t *testing.T) *home {
	h := newHome(t)
	h.write("etc/tunic/tunic.toml", "the configuration", 0o644)
	h.write("etc/tunic/onions/photos.toml", "photos", 0o644)
	h.write("var/lib/tunic/onions/photos/key", strings.Repeat("secret", 5000), 0o600)
	h.write("var/lib/tunic/mail/bob/new/1", "letter", 0o640)
	h.write("var/lib/tunic/cache/big", "not wanted", 0o644)
	h.write("var/lib/tunic/empty", "", 0o600)
	h.must(os.Chmod(h.path("var/lib/tunic/mail"), 0o710))
	h.must(os.Chmod(h.path("var/lib/tunic/onions/photos"), 0o500)) // its owner cannot write either
	t.Cleanup(func() { os.Chmod(h.path("var/lib/tunic/onions/photos"), 0o700) })
	return h
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) write(name, text string, mode fs.FileMode) {
	h.t.Helper()
	h.must(os.MkdirAll(filepath.Dir(h.path(name)), 0o755))
	h.must(os.WriteFile(h.path(name), []byte(text), mode))
	h.must(os.Chmod(h.path(name), mode))
	h.must(os.Chtimes(h.path(name), time.Unix(1e9, 0), time.Unix(1e9, 0)))
}

// listing describes everything in the trees.
func (h *home) listing() string {
	h.t.Helper()
	var b strings.Builder
	for _, t := range h.trees {
		err := filepath.WalkDir(t.Dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			h.must(err)
			info, err := d.Info()
			h.must(err)
			rel, _ := filepath.Rel(h.dir, path)
			if strings.Contains(rel, "tunic/cache") {
				return nil
			}
			fmt.Fprintf(&b, "%s %v", rel, info.Mode())
			if info.Mode().IsRegular() {
				text, err := os.ReadFile(path)
				h.must(err)
				fmt.Fprintf(&b, " %v %d bytes %.20q", info.ModTime().Unix(), len(text), text)
			}
			b.WriteString("\n")
			return nil
		})
		h.must(err)
	}
	return b.String()
}

var onions = []Onion{{Name: "photos", Address: "x.onion"}}

// backup makes one and returns its path and its key.
func (h *home) backup(passphrase string) (string, Key) {
	h.t.Helper()
	lock, key := cheap(passphrase)
	path := h.path("backup.age")
	_, err := Create(path, Plan{Header: Header{Version: "1.2", Onions: onions}, Trees: h.trees, Lock: lock})
	h.must(err)
	return path, key
}

// cheap is Passphrase for the patience of a test.
func cheap(passphrase string) (Lock, Key) {
	lock, key, err := Passphrase(passphrase)
	if err != nil {
		panic(err)
	}
	lock.recipients[0].(*age.ScryptRecipient).SetWorkFactor(8)
	return lock, key
}

func fine(Header, []string) error { return nil }

func TestThereAndBack(t *testing.T) {
	from, to := full(t), newHome(t)
	path, key := from.backup("correct horse")
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the backup: %v, %v", info, err)
	}
	if raw, _ := os.ReadFile(path); bytes.Contains(raw, []byte("photos")) {
		t.Error("names can be read in it")
	}
	if h, err := Check(path, key, to.trees); err != nil || h.Version != "1.2" || h.Format != 1 || !slices.Equal(h.Onions, onions) {
		t.Errorf("Check: %+v, %v", h, err)
	}
	done, err := Restore(path, key, to.trees, fine)
	if err != nil || len(done.Moved) != 0 {
		t.Fatalf("restored: %+v, %v", done, err)
	}
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700) })
	if want, got := from.listing(), to.listing(); want != got {
		t.Errorf("there:\n%s\nhere:\n%s", want, got)
	}
	for _, dir := range []string{"etc", "var/lib"} {
		if left, _ := os.ReadDir(to.path(dir)); len(left) != 1 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
}

// With recipients, whose private key is elsewhere.
func TestForRecipients(t *testing.T) {
	from, to := full(t), newHome(t)
	id, err := age.GenerateX25519Identity()
	from.must(err)
	lock, err := Recipients([]string{id.Recipient().String()})
	from.must(err)
	path := from.path("b")
	_, err = Create(path, Plan{Trees: from.trees, Lock: lock})
	from.must(err)
	key, err := Identities(strings.NewReader("# created: today\n" + id.String() + "\n"))
	from.must(err)
	if _, err := Restore(path, key, to.trees, fine); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700) })
	other, err := age.GenerateX25519Identity()
	from.must(err)
	key, err = Identities(strings.NewReader(other.String()))
	from.must(err)
	if _, err := Check(path, key, to.trees); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), "other recipients") {
		t.Errorf("with another key: %v", err)
	}
	if _, _, err := Passphrase(""); err == nil {
		t.Error("an empty passphrase was taken")
	}
	if _, err := Recipients([]string{"bob"}); err == nil {
		t.Error("bob was taken for a key")
	}
	if _, err := Identities(strings.NewReader("bob")); err == nil || strings.Contains(err.Error(), "bob") {
		t.Errorf("bob as a private key: %v", err)
	}
}

// What a restore that was killed has unpacked goes with the next one, and
// nothing else does.
func TestLeftovers(t *testing.T) {
	from, to := full(t), newHome(t)
	path, key := from.backup("correct horse")
	to.write("etc/.tunic.restore-123/tunic.toml", "half", 0o600)
	to.write("var/lib/.tunic.restore-4/onions/photos/key", "secret", 0o600)
	others := []string{"etc/.tunic.restore-", "etc/.tunic.restore-mine", "etc/tunic.before-2026", "var/lib/.other.restore-1"}
	for _, dir := range others {
		to.write(dir+"/x", "not ours", 0o600)
	}
	if left := Leftovers(to.trees); !slices.Equal(left, []string{to.path("etc/.tunic.restore-123"), to.path("var/lib/.tunic.restore-4")}) {
		t.Errorf("left over: %q", left)
	}
	_, err := Restore(path, key, to.trees, fine)
	to.must(err)
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700) })
	if left := Leftovers(to.trees); len(left) > 0 {
		t.Errorf("after another restore: %q", left)
	}
	for _, dir := range others {
		if _, err := os.Stat(to.path(dir + "/x")); err != nil {
			t.Error(err)
		}
	}
}

// What is there is kept, and stays after every error.
func TestRestoreOverSomething(t *testing.T) {
	from, to := full(t), newHome(t)
	path, key := from.backup("correct horse")
	to.write("etc/tunic/tunic.toml", "another configuration", 0o600)
	to.write("var/lib/tunic/onions/blog/key", "another key", 0o600)
	before := to.listing()
	failing := errors.New("not this one")
	if _, err := Restore(path, key, to.trees, func(_ Header, dirs []string) error {
		if text, _ := os.ReadFile(filepath.Join(dirs[0], "tunic.toml")); string(text) != "the configuration" {
			t.Errorf("unpacked: %q", text)
		}
		return failing
	}); !errors.Is(err, failing) || to.listing() != before {
		t.Errorf("after %v:\n%s", err, to.listing())
	}
	done, err := Restore(path, key, to.trees, fine)
	if err != nil || len(done.Moved) != 2 {
		t.Fatalf("restored: %+v, %v", done, err)
	}
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700) })
	if to.listing() != strings.ReplaceAll(from.listing(), from.dir, to.dir) {
		t.Errorf("restored:\n%s", to.listing())
	}
	for was, is := range done.Moved { // undo
		to.must(os.Rename(was, was+".new"))
		to.must(os.Rename(is, was))
		to.must(os.Chmod(to.path("var/lib"), 0o755))
	}
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic.new/onions/photos"), 0o700) })
	if to.listing() != before {
		t.Errorf("undone:\n%s\nbefore:\n%s", to.listing(), before)
	}
}

// The second tree does not go: the first one is put back.
func TestExchangeIsUndone(t *testing.T) {
	h := newHome(t)
	h.write("etc/tunic/tunic.toml", "here", 0o600)
	h.write("var/lib/tunic/key", "here", 0o600)
	before := h.listing()
	staged := []string{h.path("new"), h.path("missing")}
	h.must(os.Mkdir(staged[0], 0o700))
	if moved, err := exchange(h.trees, staged, time.Now()); err == nil || moved != nil || h.listing() != before {
		t.Errorf("after %v:\n%s", err, h.listing())
	}
	if left, _ := filepath.Glob(h.path("*/*.before-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Whatever is wrong with a file, the error says so and nothing has changed.
func TestBadFiles(t *testing.T) {
	from, to := full(t), newHome(t)
	to.write("etc/tunic/tunic.toml", "here", 0o600)
	before := to.listing()
	path, key := from.backup("correct horse")
	good, err := os.ReadFile(path)
	from.must(err)
	_, wrong := cheap("correct hose")
	refused := func(what string, content []byte, key Key, want error) {
		t.Helper()
		from.must(os.WriteFile(path, content, 0o600))
		_, err := Restore(path, key, to.trees, fine)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if to.listing() != before {
			t.Fatalf("%s changed something:\n%s", what, to.listing())
		}
		if left, _ := filepath.Glob(to.path("*/.*restore*")); len(left) > 0 {
			t.Errorf("%s left %v", what, left)
		}
	}
	refused("wrong passphrase", good, wrong, ErrWrongKey)
	for _, n := range []int{len(good) - 1, len(good) - 17, len(good) / 2, 250} {
		refused(fmt.Sprintf("cut after %d bytes", n), good[:n], key, ErrDamaged)
	}
	for _, at := range []int{len(good) - 1, len(good) / 2, 220, 300} {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		refused(fmt.Sprintf("byte %d of %d changed", at, len(good)), bad, key, ErrDamaged)
	}
	refused("something behind", append(bytes.Clone(good), 'x'), key, ErrDamaged)
	for what, content := range map[string][]byte{"empty": nil, "text": []byte("a letter to grandmother"), "zeros": make([]byte, 4096)} {
		refused(what, content, key, ErrNoBackup)
	}
	refused("another encrypted file", locked(t, "correct horse", workFactor, []byte("a letter")), key, ErrNoBackup)
	refused("too much work", locked(t, "correct horse", maxWorkFactor+1, []byte("a letter")), key, ErrWrongKey)
	if _, err := Restore(from.path("nowhere"), key, to.trees, fine); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Restore(from.dir, key, to.trees, fine); !errors.Is(err, ErrNoBackup) {
		t.Errorf("a directory: %v", err)
	}
}

// locked encrypts what somebody else might.
func locked(t *testing.T, passphrase string, work int, content []byte) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(work)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err == nil {
		_, err = w.Write(content)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestNothingIsOverwritten(t *testing.T) {
	h := full(t)
	path, _ := h.backup("correct horse")
	was, err := os.ReadFile(path)
	h.must(err)
	lock, _ := cheap("x")
	p := Plan{Trees: h.trees, Lock: lock}
	if _, err := Create(path, p); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if is, _ := os.ReadFile(path); !bytes.Equal(was, is) {
		t.Error("it was overwritten")
	}
	h.must(os.WriteFile(h.path("late"), []byte("kept"), 0o600))
	if err := rename(path, h.path("late"), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file that came late: %v", err)
	}
	p.Force = true
	if made, err := Create(path, p); err != nil || made.Files != 5 || made.Size == 0 {
		t.Errorf("by force: %+v, %v", made, err)
	}
	if left, _ := filepath.Glob(h.path(".tunic-backup-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A disk that has other bytes than were written is noticed, with and without
// the private key.
func TestVerifyReadsTheDisk(t *testing.T) {
	h := full(t)
	lock, _ := cheap("x")
	for name, l := range map[string]Lock{"passphrase": lock, "recipients": {recipients: lock.recipients}} {
		p := Plan{Trees: h.trees, Lock: l}
		f, err := os.Create(h.path(name))
		h.must(err)
		defer f.Close()
		digest, err := p.fill(f, &Made{})
		h.must(err)
		if err := p.verify(f, digest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b := make([]byte, 1)
		_, err = f.ReadAt(b, 400)
		h.must(err)
		_, err = f.WriteAt([]byte{^b[0]}, 400)
		h.must(err)
		if err := p.verify(f, digest); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s, one byte changed: %v", name, err)
		}
	}
}

// Files that change while they are stored are stored again, as they are then.
func TestOneMoment(t *testing.T) {
	from, to := full(t), newHome(t)
	lock, key := cheap("x")
	changes := map[string]func(){
		"written": func() { from.write("etc/tunic/tunic.toml", "another", 0o644) },
		"new":     func() { from.write("etc/tunic/devices/tv.toml", "tv", 0o644) },
		"removed": func() { from.must(os.Remove(from.path("etc/tunic/devices/tv.toml"))) },
	}
	for _, what := range []string{"written", "new", "removed"} {
		times := 0
		path := from.path(what)
		_, err := Create(path, Plan{Trees: from.trees, Lock: lock, Progress: func(files int, _ int64) {
			if files == 5 && times == 0 { // after the last
				changes[what]()
				times++
			}
		}})
		if err != nil || times != 1 {
			t.Errorf("%s: %v", what, err)
			continue
		}
		_, err = Restore(path, key, to.trees, fine)
		from.must(err)
		if from.listing() != to.listing() {
			t.Errorf("%s: there:\n%s\nhere:\n%s", what, from.listing(), to.listing())
		}
		os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700)
		from.must(errors.Join(os.RemoveAll(to.path("etc")), os.RemoveAll(to.path("var"))))
	}
	count := 0
	_, err := Create(from.path("never"), Plan{Trees: from.trees, Lock: lock, Progress: func(int, int64) {
		count++
		from.write("etc/tunic/tunic.toml", fmt.Sprint(count), 0o644)
	}})
	if !errors.Is(err, errChanged) {
		t.Errorf("always changing: %v", err)
	}
	if _, err := os.Stat(from.path("never")); err == nil {
		t.Error("it was kept")
	}
}

// Mail comes and is moved while it is stored; no letter is missed.
func TestMailMoves(t *testing.T) {
	from, to := full(t), newHome(t)
	from.write("var/lib/tunic/mail/bob/cur/0", "read", 0o640)
	lock, key := cheap("x")
	moved := false
	_, err := Create(from.path("b"), Plan{Trees: from.trees, Lock: lock, Progress: func(files int, _ int64) {
		if !moved && files >= 4 { // cur is stored, new is listed
			moved = true
			from.must(os.Rename(from.path("var/lib/tunic/mail/bob/new/1"), from.path("var/lib/tunic/mail/bob/cur/1:2,S")))
			from.write("var/lib/tunic/mail/bob/cur/2", "came", 0o640)
		}
	}})
	from.must(err)
	_, err = Restore(from.path("b"), key, to.trees, fine)
	from.must(err)
	t.Cleanup(func() { os.Chmod(to.path("var/lib/tunic/onions/photos"), 0o700) })
	letters, _ := filepath.Glob(to.path("var/lib/tunic/mail/bob/*/1*"))
	if !moved || len(letters) == 0 {
		t.Errorf("letters: %v\n%s", letters, to.listing())
	}
}

// Links, pipes and sockets: what a link of root's leads to is stored, all else
// is named or left out.
func TestOddFiles(t *testing.T) {
	from, to := newHome(t), newHome(t)
	from.write("elsewhere", "linked", 0o644)
	from.write("etc/tunic/a", "a", 0o644)
	from.write("var/lib/tunic/b", "b", 0o600)
	from.must(os.Symlink(from.path("elsewhere"), from.path("etc/tunic/link.toml")))
	from.must(os.Symlink("nowhere", from.path("etc/tunic/broken")))
	from.must(os.Symlink(from.path("elsewhere"), from.path("var/lib/tunic/link")))
	from.must(os.Symlink(from.dir, from.path("var/lib/tunic/dirlink")))
	from.must(unix.Mkfifo(from.path("var/lib/tunic/pipe"), 0o600))
	l, err := net.Listen("unix", from.path("var/lib/tunic/socket"))
	from.must(err)
	defer l.Close()
	lock, key := cheap("x")
	made, err := Create(from.path("b"), Plan{Trees: from.trees, Lock: lock})
	from.must(err)
	if len(made.Skipped) != 4 {
		t.Errorf("skipped: %q", made.Skipped)
	}
	_, err = Restore(from.path("b"), key, to.trees, fine)
	from.must(err)
	want := "etc/tunic/a etc/tunic/link.toml var/lib/tunic/b"
	var got []string
	for line := range strings.Lines(to.listing()) {
		if name, mode, _ := strings.Cut(line, " "); strings.HasPrefix(mode, "-") {
			got = append(got, name)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("restored %v", got)
	}
	if text, _ := os.ReadFile(to.path("etc/tunic/link.toml")); string(text) != "linked" {
		t.Errorf("the link's file: %q", text)
	}
}

// What age can open, everybody can read without tunic.
func TestOpensWithAgeAndTar(t *testing.T) {
	from := full(t)
	path, key := from.backup("correct horse")
	f, err := os.Open(path)
	from.must(err)
	defer f.Close()
	r, err := decrypt(f, key)
	from.must(err)
	zipped, err := io.ReadAll(r)
	if err != nil || !bytes.HasPrefix(zipped, []byte{0x1f, 0x8b}) {
		t.Errorf("in it is %.10q, %v", zipped, err)
	}
}
