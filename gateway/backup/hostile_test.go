package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is one of an archive that somebody else has made.
type entry struct {
	name, text string
	kind       byte
	link       string
}

// forge writes an archive with these entries, and a right trailer.
func forge(t testing.TB, format int, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	s := sum{hash: sha256.New()}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(writeMeta(w, headerName, Header{Format: format, Version: "9.9"}))
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o700, Size: int64(len(e.text))}
		check(w.WriteHeader(h))
		if e.kind == tar.TypeReg {
			s.begin(e.name, h.Size)
			s.hash.Write([]byte(e.text))
		}
		_, err := w.Write([]byte(e.text))
		check(err)
	}
	check(writeMeta(w, trailerName, s.trailer()))
	check(w.Close())
	return out.Bytes()
}

// open unpacks an archive into staged directories of a new home, and fails the
// test if anything comes to lie elsewhere or is no plain file.
func unpackForged(t testing.TB, archive []byte, limits Limits) error {
	t.Helper()
	dir := t.TempDir()
	trees := []Tree{{Name: "etc/tunic"}, {Name: "var/lib/tunic"}}
	staged := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, d := range staged {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	u, err := newUnpacker(staged)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	_, err = readArchive(bytes.NewReader(archive), trees, limits, u)
	var bytes int64
	walkErr := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if top := strings.Split(rel, "/")[0]; top != "." && top != "a" && top != "b" {
			t.Errorf("%s was made", rel)
		}
		if err != nil {
			return nil // a directory that its mode closes
		}
		info, err := d.Info()
		if err != nil || !d.IsDir() && !info.Mode().IsRegular() || info.Mode()&fs.ModeSetuid != 0 {
			t.Errorf("%s is %v, %v", rel, info, err)
		}
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	if walkErr != nil || bytes > limits.Bytes {
		t.Errorf("%d bytes were made, of %d; %v", bytes, limits.Bytes, walkErr)
	}
	for _, d := range u.dirs {
		d.root.Chmod(d.rel, 0o700)
	}
	return err
}

var plenty = Limits{Files: 100, Bytes: 1 << 20}

func TestForgedArchives(t *testing.T) {
	dirs := []entry{{name: "etc/tunic/", kind: tar.TypeDir}, {name: "var/lib/tunic/", kind: tar.TypeDir}}
	file := func(name string) entry { return entry{name: name, kind: tar.TypeReg, text: "x"} }
	if err := unpackForged(t, forge(t, Format, append(dirs, file("etc/tunic/a"))...), plenty); err != nil {
		t.Fatalf("a right one: %v", err)
	}
	cases := map[string]struct {
		entries []entry
		want    error
	}{
		"above":                {[]entry{file("etc/tunic/../../../x")}, ErrDamaged},
		"absolute":             {[]entry{file("/etc/passwd")}, ErrDamaged},
		"elsewhere":            {[]entry{file("etc/passwd")}, ErrDamaged},
		"a tree's name begins": {[]entry{file("etc/tunicate/x")}, ErrDamaged},
		"a file as tree":       {[]entry{file("etc/tunic")}, ErrDamaged},
		"dot":                  {[]entry{file("etc/tunic/./x")}, ErrDamaged},
		"backslash":            {[]entry{file(`etc/tunic/..\x`)}, ErrDamaged},
		"line end":             {[]entry{file("etc/tunic/a\nb")}, ErrDamaged},
		"long":                 {[]entry{file("etc/tunic/" + strings.Repeat("x", maxName))}, ErrDamaged},
		"deep":                 {[]entry{file("etc/tunic/" + strings.Repeat("x/", maxDepth) + "x")}, ErrDamaged},
		"symbolic link":        {[]entry{{name: "etc/tunic/l", kind: tar.TypeSymlink, link: "/etc"}, file("etc/tunic/l/x")}, ErrDamaged},
		"hard link":            {[]entry{{name: "etc/tunic/l", kind: tar.TypeLink, link: "/etc/shadow"}}, ErrDamaged},
		"device":               {[]entry{{name: "etc/tunic/d", kind: tar.TypeBlock}}, ErrDamaged},
		"pipe":                 {[]entry{{name: "etc/tunic/p", kind: tar.TypeFifo}}, ErrDamaged},
		"twice":                {[]entry{file("etc/tunic/a"), file("etc/tunic/a")}, ErrDamaged},
		"file and directory":   {[]entry{file("etc/tunic/a"), file("etc/tunic/a/b")}, ErrDamaged},
		"directory and file":   {[]entry{{name: "etc/tunic/a/", kind: tar.TypeDir}, file("etc/tunic/a")}, ErrDamaged},
		"no directory":         {[]entry{file("etc/tunic/a/b")}, ErrDamaged},
		"too large":            {[]entry{{name: "etc/tunic/a", kind: tar.TypeReg, text: strings.Repeat("x", 1<<20+1)}}, ErrTooLarge},
		"together too large": {[]entry{{name: "etc/tunic/a", kind: tar.TypeReg, text: strings.Repeat("x", 1<<19+1)},
			{name: "etc/tunic/b", kind: tar.TypeReg, text: strings.Repeat("x", 1<<19+1)}}, ErrTooLarge},
		"an end, and more files": {[]entry{{name: trailerName, kind: tar.TypeReg, text: "{}"}, file("etc/tunic/a")}, ErrDamaged},
	}
	for name, c := range cases {
		if err := unpackForged(t, forge(t, Format, append(dirs, c.entries...)...), plenty); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := unpackForged(t, forge(t, Format, dirs...), Limits{Files: 1, Bytes: 1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many: %v", err)
	}
}

// A file of a version to come says so, whatever else is in it.
func TestNewerFormat(t *testing.T) {
	err := unpackForged(t, forge(t, Format+1, entry{name: "what/ever", kind: tar.TypeSymlink}), plenty)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "9.9, format 2; this one knows format 1") {
		t.Errorf("got %v", err)
	}
	if err := unpackForged(t, forge(t, 0), plenty); !errors.Is(err, ErrNoBackup) {
		t.Errorf("format 0: %v", err)
	}
	var other bytes.Buffer
	w := tar.NewWriter(&other)
	w.WriteHeader(&tar.Header{Name: "letter.txt", Typeflag: tar.TypeReg, Size: 0})
	w.Close()
	if err := unpackForged(t, other.Bytes(), plenty); !errors.Is(err, ErrNoBackup) {
		t.Errorf("another archive: %v", err)
	}
}

// An archive that was closed early, or of which something was taken out, is
// not whole although tar is content.
func TestTrailerIsTrue(t *testing.T) {
	whole := forge(t, Format, entry{name: "etc/tunic/", kind: tar.TypeDir}, entry{name: "etc/tunic/a", kind: tar.TypeReg, text: "aaaa"})
	if err := unpackForged(t, bytes.Replace(whole, []byte("aaaa"), []byte("aaab"), 1), plenty); !errors.Is(err, ErrDamaged) {
		t.Errorf("other content: %v", err)
	}
	var early bytes.Buffer
	w := tar.NewWriter(&early)
	if err := errors.Join(writeMeta(w, headerName, Header{Format: 1}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := unpackForged(t, early.Bytes(), plenty); !errors.Is(err, ErrDamaged) {
		t.Errorf("closed early: %v", err)
	}
}

// A user that is not here is named before anything is written for that one.
func TestUnknownOwner(t *testing.T) {
	i := ids{}
	if _, _, err := i.of(&tar.Header{Uname: "nobody-is-called-that"}); !errors.Is(err, ErrNoSuchIDs) {
		t.Errorf("got %v", err)
	}
	if uid, gid, err := i.of(&tar.Header{Uname: "root", Gname: "root"}); uid != 0 || gid != 0 || err != nil {
		t.Errorf("root is %d:%d, %v", uid, gid, err)
	}
}

// No archive, however made, leads anywhere else or holds more than it may.
func FuzzReadArchive(f *testing.F) {
	f.Add(forge(f, Format, entry{name: "etc/tunic/", kind: tar.TypeDir}, entry{name: "etc/tunic/a", kind: tar.TypeReg, text: "a"}))
	f.Add(forge(f, Format, entry{name: "etc/tunic/../x", kind: tar.TypeReg, text: "a"}))
	f.Add(forge(f, Format, entry{name: "etc/tunic/l", kind: tar.TypeSymlink, link: "/"}, entry{name: "etc/tunic/l/x", kind: tar.TypeReg}))
	f.Add(forge(f, Format+1))
	trees := []Tree{{Name: "etc/tunic"}, {Name: "var/lib/tunic"}}
	f.Fuzz(func(t *testing.T, archive []byte) {
		to := &suspicious{t: t}
		h, err := readArchive(bytes.NewReader(archive), trees, Limits{Files: 20, Bytes: 4096}, to)
		if to.entries > 20 || to.bytes > 4096 {
			t.Errorf("%d entries with %d bytes", to.entries, to.bytes)
		}
		if err == nil && (h.Format < 1 || h.Format > Format) {
			t.Errorf("format %d was read", h.Format)
		}
	})
}

// suspicious is a sink that looks at every name and size.
type suspicious struct {
	t       *testing.T
	entries int
	bytes   int64
}

func (s *suspicious) dir(tree int, rel string, _ *tar.Header) error {
	s.entries++
	if !fs.ValidPath(rel) || tree < 0 || tree > 1 || strings.ContainsAny(rel, "\\\x00\n") {
		s.t.Errorf("the name %q in tree %d", rel, tree)
	}
	return nil
}

func (s *suspicious) file(tree int, rel string, h *tar.Header, content io.Reader) error {
	if rel == "." {
		s.t.Error("a file in the place of a tree")
	}
	n, err := io.Copy(io.Discard, content)
	s.bytes += n
	return errors.Join(err, s.dir(tree, rel, h))
}

func (*suspicious) done() error { return nil }

// Two entries, whatever they are called and are, make nothing elsewhere.
func FuzzUnpack(f *testing.F) {
	f.Add("etc/tunic/a", byte(tar.TypeReg), "", "etc/tunic/a/b", byte(tar.TypeReg))
	f.Add("etc/tunic/l", byte(tar.TypeSymlink), "/", "etc/tunic/l/x", byte(tar.TypeReg))
	f.Add("var/lib/tunic/d/", byte(tar.TypeDir), "", "var/lib/tunic/d/../../x", byte(tar.TypeReg))
	f.Fuzz(func(t *testing.T, name string, kind byte, link, other string, otherKind byte) {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		if err := writeMeta(w, headerName, Header{Format: Format}); err != nil {
			t.Fatal(err)
		}
		for _, h := range []*tar.Header{{Name: name, Typeflag: kind, Linkname: link, Mode: 0o7777}, {Name: other, Typeflag: otherKind}} {
			if w.WriteHeader(h) != nil {
				return // tar knows no such entry
			}
		}
		if err := w.Close(); err != nil {
			return
		}
		if err := unpackForged(t, out.Bytes(), plenty); err == nil {
			t.Error("an archive without its end was taken")
		}
	})
}
