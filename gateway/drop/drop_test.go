package drop

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

const quota = 10_000_000

// box is an inbox with a lot of room on its disk.
func box(t *testing.T) *Inbox {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "top", "drop")
	b, err := Open(dir)
	if err := errors.Join(err, os.MkdirAll(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	b.free = func() (int64, int64, error) { return math.MaxInt64, 1 << 40, nil }
	return b
}

func headerOf(name, content string) Header {
	return Header{int64(len(content)), sha256.Sum256([]byte(content)), name}
}

// conversation is what a friend says, and what is answered.
type conversation struct {
	io.Reader
	said bytes.Buffer
}

func (c *conversation) Write(p []byte) (int, error) { return c.said.Write(p) }

// tells has a friend say these words, and returns the name that the file has got and the
// last answer.
func tells(b *Inbox, words io.Reader) (kept, answer string, err error) {
	c := &conversation{Reader: words}
	kept, err = b.Receive(c, "alice", quota)
	lines := strings.Split(strings.TrimSuffix(c.said.String(), "\r\n"), "\r\n")
	return kept, lines[len(lines)-1], err
}

func text(h Header, content string) io.Reader {
	return strings.NewReader(h.String() + "\r\n" + content)
}

// left are all files below the inbox, the hidden ones too.
func (b *Inbox) left(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(b.dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(b.dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Both sides together: a file is what it was, with the same name, and the second of a name
// gets another one.
func TestSend(t *testing.T) {
	b := box(t)
	for i, content := range []string{"one", "two", strings.Repeat("three", 100_000), ""} {
		friend, here := net.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := b.Receive(here, "alice", quota)
			done <- err
		}()
		kept, err := Send(friend, headerOf("über photo.jpg", content), strings.NewReader(content))
		want := "über photo.jpg"
		if i > 0 {
			want = fmt.Sprintf("über photo-%d.jpg", i+1)
		}
		if received := <-done; kept != want || err != nil || received != nil {
			t.Fatalf("%q, %v, %v", kept, err, received)
		}
		path := filepath.Join(b.dir, "alice", kept)
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s: %d bytes, %v", kept, len(got), err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if left := b.left(t); len(left) != 4 {
		t.Errorf("%q", left)
	}
}

// A file that does not come whole, or is another one, leaves nothing.
func TestNotWhole(t *testing.T) {
	for what, words := range map[string]io.Reader{
		"shorter":            text(headerOf("a", "whole"), "who"),
		"broken":             io.MultiReader(text(headerOf("a", "whole"), "who"), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"other bytes":        text(headerOf("a", "whole"), "Whole"),
		"nothing":            strings.NewReader(""),
		"no header":          strings.NewReader("GET / HTTP/1.1\r\n\r\n"),
		"a long header":      strings.NewReader(headerOf("a", "").String() + strings.Repeat("a", 2000) + "\r\n"),
		"a negative size":    strings.NewReader("-1 " + strings.Repeat("0", 64) + " a\r\n"),
		"a size of 64 bits":  strings.NewReader("18446744073709551615 " + strings.Repeat("0", 64) + " a\r\n"),
		"a sum that is none": strings.NewReader("1 00 a\r\n1"),
	} {
		b := box(t)
		kept, answer, err := tells(b, words)
		if kept != "" || err == nil || !strings.HasPrefix(answer, "-") {
			t.Errorf("%s: %q, %q, %v", what, kept, answer, err)
		}
		if left := b.left(t); len(left) > 0 || len(b.coming) > 0 {
			t.Errorf("%s: %q is there, and %v", what, left, b.coming)
		}
	}
}

// No name leads out of the directory, hides, or replaces something.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"photo.jpg":                       "photo.jpg",
		"../../x":                         "x",
		"/etc/passwd":                     "passwd",
		`..\..\x`:                         "x",
		"..":                              "file",
		".":                               "file",
		"a/":                              "file",
		".bashrc":                         "bashrc",
		"...":                             "file",
		".new-1":                          "new-1",
		"-rf":                             "rf",
		"  a b  ":                         "a b",
		"a\x1b[31mb\x00\x7f\n.txt":        "a[31mb.txt",
		"a\u202egpj.exe":                  "agpj.exe",
		"\xff\xfea":                       "a",
		"\u200b":                          "file",
		"ä.tar.gz":                        "ä.tar.gz",
		strings.Repeat("ä", 400):          strings.Repeat("ä", maxName/2),
		strings.Repeat("a", 500) + ".jpg": strings.Repeat("a", maxName-4) + ".jpg",
	} {
		if got := Clean(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
		b := box(t)
		h := Header{1, sha256.Sum256([]byte("1")), name}
		line := fmt.Sprintf("1 %x %s\n1", h.Sum, strings.ReplaceAll(name, "\n", ""))
		kept, answer, err := tells(b, strings.NewReader(line))
		if kept != want || answer != "+"+want || err != nil {
			t.Errorf("%q: %q, %q, %v", name, kept, answer, err)
		}
		if left := b.left(t); !slices.Equal(left, []string{"alice/" + want}) {
			t.Errorf("%q: %q", name, left)
		}
	}
}

// Nothing is read of what there is no room for.
func TestNoRoom(t *testing.T) {
	b := box(t)
	small := func(n int) string { return strings.Repeat("x", n) }
	refused := func(words string, size int64) {
		t.Helper()
		h := Header{Size: size, Name: "film.mkv"}
		unread := strings.NewReader("not to be read")
		kept, answer, err := tells(b, io.MultiReader(strings.NewReader(h.String()+"\r\n"), unread))
		if kept != "" || !errors.As(err, new(Refused)) || !strings.HasPrefix(answer, "-") || !strings.Contains(answer, words) {
			t.Errorf("%q, %q, %v", kept, answer, err)
		}
		if unread.Len() < len("not to be read") {
			t.Error("some of it was read")
		}
	}
	refused("too large", 10_000_000_000)
	refused("too large", math.MaxInt64)
	for i := range 2 {
		if _, _, err := tells(b, text(headerOf("a", small(4_500_000+i)), small(4_500_000+i))); err != nil {
			t.Fatal(err)
		}
	}
	refused("has no room beside them", 2_000_000)
	b.coming["alice"] = &amount{1, 900_000}
	refused("has no room beside them", 200_000)
	b.coming["alice"] = &amount{maxFiles - 2, 0}
	refused("as many of your files", 1)
	delete(b.coming, "alice")
	b.coming["bob"] = &amount{1, 1000}
	b.free = func() (int64, int64, error) { return leastFree + 1500, 1 << 30, nil }
	refused("nearly full", 501)
	b.free = func() (int64, int64, error) { return 1 << 30, 1 << 40, nil }
	refused("nearly full", 1)
	b.free = func() (int64, int64, error) { return 0, 0, errors.New("a secret of the disk") }
	_, answer, _ := tells(b, text(headerOf("a", "x"), "x"))
	if !strings.HasPrefix(answer, "-") || strings.Contains(answer, "secret") {
		t.Errorf("%q", answer)
	}
}

// A sender who has not heard that a file is kept sends it again, and it is there once; a
// file that was taken meanwhile is kept again.
func TestOnce(t *testing.T) {
	b := box(t)
	for range 3 {
		if kept, answer, err := tells(b, text(headerOf("a", "one"), "one")); kept != "a" || answer != "+a" || err != nil {
			t.Errorf("%q, %q, %v", kept, answer, err)
		}
	}
	if kept, _, _ := tells(b, text(headerOf("a", "two"), "two")); kept != "a-2" {
		t.Errorf("another one: %q", kept)
	}
	if err := Discard(b.dir, File{From: "alice", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if kept, _, _ := tells(b, text(headerOf("a", "one"), "one")); kept != "a" || len(b.left(t)) != 2 {
		t.Errorf("%q, %q", kept, b.left(t))
	}
}

// What a process has left unfinished its successor removes, and nobody sees it.
func TestUnfinished(t *testing.T) {
	b := box(t)
	if _, _, err := tells(b, text(headerOf("a", "one"), "one")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "alice", unfinished+"1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := Waiting(b.dir); len(list) != 1 || list[0].Path() != "alice/a" || list[0].Size != 3 || err != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := Open(b.dir); err != nil || len(b.left(t)) != 1 {
		t.Errorf("%q, %v", b.left(t), err)
	}
}

// A serve that was taken over can put any number of files into the inbox, and directories as
// deep as it likes: so many are looked at, and whoever asks learns that there are more.
func TestWaitingIsBounded(t *testing.T) {
	b := box(t)
	alice := filepath.Join(b.dir, "alice")
	if err := os.MkdirAll(filepath.Join(alice, "deep/er"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deep/a", "deep/er/a", "a"} {
		if err := os.WriteFile(filepath.Join(alice, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := Waiting(b.dir); len(list) != 1 || list[0].Path() != "alice/a" || err != nil {
		t.Errorf("%+v, %v", list, err)
	}
	for i := range maxListed {
		if err := os.Link(filepath.Join(alice, "a"), filepath.Join(alice, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Waiting(b.dir)
	if !errors.Is(err, ErrMany) || len(list) > maxListed || len(list) < maxListed-10 {
		t.Errorf("%d files, %v", len(list), err)
	}
}

// A serve that was taken over can put a pipe into the place of a directory while somebody looks.
func TestPipeInPlaceOfAFriend(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "alice"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	looked := make(chan error, 1)
	go func() {
		left := maxListed
		list, err := entries(root, "alice", &left)
		if len(list) > 0 {
			err = fmt.Errorf("%d files are in a pipe", len(list))
		}
		looked <- err
	}()
	select {
	case err := <-looked:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("who looks waits for a writer")
	}
}

// A file is taken to where people want it, beside what is there. Links that a process has
// made that was taken over lead nowhere.
func TestTake(t *testing.T) {
	b, to := box(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(to, "a.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tells(b, text(headerOf("a.txt", "one"), "one")); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Symlink(secret, filepath.Join(b.dir, "alice", "link")),
		os.Symlink(filepath.Dir(secret), filepath.Join(b.dir, "eve")))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Waiting(b.dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	name, err := Take(b.dir, list[0], to)
	got, reading := os.ReadFile(filepath.Join(to, name))
	if name != "a-2.txt" || string(got) != "one" || err != nil || reading != nil {
		t.Errorf("%q, %q, %v, %v", name, got, err, reading)
	}
	for _, f := range []File{{From: "alice", Name: "link"}, {From: "eve", Name: "secret"}, {From: "..", Name: "x"},
		{From: "alice", Name: "a.txt"}} {
		if name, err := Take(b.dir, f, to); err == nil {
			t.Errorf("%+v was taken as %s", f, name)
		}
	}
	if err := Discard(b.dir, File{From: "eve", Name: "secret"}); err == nil {
		t.Error("a file elsewhere was removed")
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// Whatever a stranger writes as a header, a name of it stays in its directory.
func FuzzHeader(f *testing.F) {
	f.Add("3 " + strings.Repeat("0a", 32) + " ../../x\r\n")
	f.Add("3 " + strings.Repeat("0A", 32) + " a b\n")
	f.Add("18446744073709551615 " + strings.Repeat("00", 32) + " a\n")
	f.Add("10000000000 " + strings.Repeat("ff", 32) + " \x1b]0;x\x07.jpg\r\nmore")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := readHeader(strings.NewReader(text))
		if err != nil {
			return
		}
		name := Clean(h.Name)
		if h.Size < 0 || name == "" || name != filepath.Base(name) || !filepath.IsLocal(name) || strings.HasPrefix(name, ".") ||
			len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "\\\r\n\x00\x1b") {
			t.Errorf("%q: %+v, %q", text, h, name)
		}
		if Clean(name) != name || !utf8.ValidString(numbered(name, 12)) {
			t.Errorf("%q is cleaned to %q, and that to %q", h.Name, name, Clean(name))
		}
		again, err := readHeader(strings.NewReader(h.String() + "\n"))
		if h.Name = name; err != nil || again != h {
			t.Errorf("%+v is written as %q, which is %+v, %v", h, h, again, err)
		}
	})
}
