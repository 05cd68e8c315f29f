package gopher

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint"
)

// friend is a visitor of the onion.
var friend = endpoint.Visitor{Host: "friend.onion", Port: 70, ID: "circuit"}

// newServer serves a new directory with these files in it. A name that ends in
// a slash is a directory; a text that begins with "-> " is a symbolic link.
func newServer(t testing.TB, files map[string]string) *Server {
	t.Helper()
	return serveDir(t, makeFiles(t, files))
}

func makeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		target, link := strings.CutPrefix(text, "-> ")
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case link:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func serveDir(t testing.TB, root string) *Server {
	t.Helper()
	s, err := New(root, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask sends bytes to the server as the visitor v and returns the whole answer.
func ask(t testing.TB, s *Server, v endpoint.Visitor, sent string) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	near.SetDeadline(time.Now().Add(time.Minute))
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		served <- s.ServeConn(t.Context(), far, v)
	}()
	go io.WriteString(near, sent) // the server may stop reading before all is sent
	answer, err := io.ReadAll(near)
	if err != nil {
		t.Fatalf("reading the answer to %q: %v", sent, err)
	}
	if err := <-served; err != nil {
		t.Errorf("ServeConn with %q: %v", sent, err)
	}
	return string(answer)
}

// item is a line of a menu for the friend.
func item(kind, display, selector string) string {
	return kind + display + "\t" + selector + "\tfriend.onion\t70\r\n"
}

var notFound = item("3", "not found", "") + ".\r\n"

func TestAnswers(t *testing.T) {
	s := newServer(t, map[string]string{
		"zoo.txt":              "one\ntwo\r\n",
		"README":               "no extension\n",
		"dots.txt":             ".\n..two\nthree.\n",
		"empty.txt":            "",
		"open-end.txt":         "no line end",
		"picture.PNG":          "\x89PNG\n.\n",
		"cat.gif":              "GIF89a",
		"page.html":            "<p>\n",
		"song.ogg":             "OggS",
		"paper.pdf":            "%PDF",
		"blob":                 "\x00\x01.\n",
		"a dir/ümlaut & 1.txt": "x\n",
		"a dir/sub/":           "",
		"b/":                   "",
		"tab\tname.txt":        "hidden",
		"line\nname.txt":       "hidden",
		".secret/key":          "hidden",
		".profile":             "hidden",
		"mapped/gophermap":     "Hello\n0File\tf.txt\n",
		"mapped/f.txt":         "f\n",
	})
	rootMenu := item("1", "a dir", "/a dir") + item("1", "b", "/b") + item("1", "mapped", "/mapped") +
		item("0", "README", "/README") + item("9", "blob", "/blob") + item("g", "cat.gif", "/cat.gif") +
		item("0", "dots.txt", "/dots.txt") + item("0", "empty.txt", "/empty.txt") + item("0", "open-end.txt", "/open-end.txt") +
		item("h", "page.html", "/page.html") + item("d", "paper.pdf", "/paper.pdf") + item("I", "picture.PNG", "/picture.PNG") +
		item("s", "song.ogg", "/song.ogg") + item("0", "zoo.txt", "/zoo.txt") + item("7", "Search", "/search") + ".\r\n"
	subMenu := item("1", "sub", "/a dir/sub") + item("0", "ümlaut & 1.txt", "/a dir/ümlaut & 1.txt") + ".\r\n"

	tests := []struct{ name, sent, want string }{
		{"root", "\r\n", rootMenu},
		{"root as a slash", "/\r\n", rootMenu},
		{"line end without CR", "\n", rootMenu},
		{"Gopher+ item", "\t+\r\n", rootMenu},
		{"Gopher+ attributes", "/\t$\r\n",
			"+-1\r\n+INFO: " + item("1", "Main menu", "/") + "+VIEWS:\r\n application/gopher+-menu: <512b>\r\n.\r\n"},
		{"Gopher+ one attribute", "/zoo.txt\t!\r\n", "one\r\ntwo\r\n.\r\n"},
		{"Gopher+ with a view", "/zoo.txt\t+text/plain\r\n", "one\r\ntwo\r\n.\r\n"},
		{"directory", "/a dir\r\n", subMenu},
		{"directory with slashes", "//a dir//\r\n", subMenu},
		{"without the first slash", "a dir\r\n", subMenu},
		{"empty directory", "/b\r\n", ".\r\n"},
		{"gophermap", "/mapped\r\n", item("i", "Hello", "") + item("0", "File", "/mapped/f.txt") + ".\r\n"},
		{"text", "/zoo.txt\r\n", "one\r\ntwo\r\n.\r\n"},
		{"text without extension", "/README\r\n", "no extension\r\n.\r\n"},
		{"dots", "/dots.txt\r\n", "..\r\n...two\r\nthree.\r\n.\r\n"},
		{"empty text", "/empty.txt\r\n", ".\r\n"},
		{"text without a last line end", "/open-end.txt\r\n", "no line end\r\n.\r\n"},
		{"image", "/picture.PNG\r\n", "\x89PNG\n.\n"},
		{"binary without extension", "/blob\r\n", "\x00\x01.\n"},
		{"html", "/page.html\r\n", "<p>\n"},
		{"unicode", "/a dir/ümlaut & 1.txt\r\n", "x\r\n.\r\n"},
		{"not there", "/nothing\r\n", notFound},
		{"below a file", "/zoo.txt/x\r\n", notFound},
		{"gophermap by name", "/mapped/gophermap\r\n", notFound},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", notFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, s, friend, tt.sent); got != tt.want {
				t.Errorf("answer to %q:\n%q\nwant\n%q", tt.sent, got, tt.want)
			}
		})
	}
}

// TestNoWayOut asks for what is not in the root, or hidden in it.
func TestNoWayOut(t *testing.T) {
	const secret = "SECRET"
	root := makeFiles(t, map[string]string{
		"ok.txt":            "fine\n",
		"dir/x.txt":         "fine\n",
		".hidden.txt":       secret,
		".git/config":       secret,
		"dir/.htpasswd":     secret,
		"passwd.txt":        "-> /etc/passwd",
		"up.txt":            "-> ../outside.txt",
		"up":                "-> ..",
		"dir/far.txt":       "-> ../../outside.txt",
		"abs":               "-> /",
		"loop":              "-> loop",
		"inside.txt":        "-> dir/x.txt",
		"dir/back":          "-> ..",
		"gone.txt":          "-> nothing",
		"chain.txt":         "-> up/outside.txt",
		"gophermaps/a/b.md": "fine\n",
	})
	if err := os.WriteFile(filepath.Join(root, "../outside.txt"), []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	s := serveDir(t, root)
	for _, selector := range []string{
		"..", "../", "/..", "../outside.txt", "/../outside.txt", "dir/../../outside.txt", "dir/..", "./ok.txt", "/./ok.txt", "...",
		"/etc/passwd", "//etc/passwd", root + "/../outside.txt", "file:///etc/passwd",
		"%2e%2e/outside.txt", "..%2foutside.txt", "%2e%2e%2foutside.txt", "..%c0%afoutside.txt", "\xc0\xae\xc0\xae/outside.txt",
		`..\outside.txt`, `dir\..\..\outside.txt`, `\etc\passwd`,
		"passwd.txt", "up.txt", "up", "up/outside.txt", "dir/far.txt", "abs", "abs/etc/passwd", "loop", "gone.txt", "chain.txt",
		".hidden.txt", ".git", ".git/config", "dir/.htpasswd", "ok.txt\x00", "ok.txt\x00.gif", "\x00",
		"ok.txt/../../outside.txt", "URL:javascript:alert(1)", strings.Repeat("a/", 400) + "../outside.txt",
		strings.Repeat("../", 300) + "etc/passwd", strings.Repeat("a", maxRequest-3), strings.Repeat("a", 300) + ".txt",
	} {
		got := ask(t, s, friend, selector+"\r\n")
		if got != notFound && got != item("3", "this is not a Gopher request", "")+".\r\n" {
			t.Errorf("selector %q got %q", selector, got)
		}
		if strings.Contains(got, secret) || strings.Contains(got, root) {
			t.Errorf("selector %q got out: %q", selector, got)
		}
	}
	for selector, want := range map[string]string{"inside.txt": "fine\r\n.\r\n", "dir/back/ok.txt": "fine\r\n.\r\n"} {
		if got := ask(t, s, friend, selector+"\r\n"); got != want {
			t.Errorf("selector %q got %q, want %q", selector, got, want)
		}
	}
	want := item("1", "dir", "/dir") + item("1", "gophermaps", "/gophermaps") + item("0", "inside.txt", "/inside.txt") +
		item("0", "ok.txt", "/ok.txt") + item("7", "Search", "/search") + ".\r\n"
	if got := ask(t, s, friend, "\r\n"); got != want {
		t.Errorf("menu %q\nwant %q", got, want)
	}
	if got := ask(t, s, friend, "/search\tsecret\r\n"); strings.Contains(got, "hidden") || strings.Contains(got, "outside") {
		t.Errorf("the search finds what is hidden: %q", got)
	}
}

// TestMenusNameTheVisitorsHost asks under different names.
func TestMenusNameTheVisitorsHost(t *testing.T) {
	s := newServer(t, map[string]string{"a.txt": "x", "m/gophermap": "hello\n1here\t/\tlocalhost\t7070\n"})
	for _, v := range []endpoint.Visitor{
		{Host: "friend.onion", Port: 70}, {Host: "box.home.arpa", Port: 70}, {Host: "192.168.77.1", Port: 7070},
		{Host: "fd77::1", Port: 70},
	} {
		for _, sent := range []string{"\r\n", "/m\r\n", "/nothing\r\n", "/search\tx\r\n", "/search\r\n"} {
			answer := ask(t, s, v, sent)
			for line := range strings.SplitSeq(strings.TrimSuffix(answer, ".\r\n"), "\r\n") {
				fields := strings.Split(line, "\t")
				if line != "" &&
					(len(fields) != 4 || fields[2] != v.Host || fields[3] != map[uint16]string{70: "70", 7070: "7070"}[v.Port]) {
					t.Errorf("as %q port %d, %q got the line %q", v.Host, v.Port, sent, line)
				}
			}
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "nothing"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New takes a directory that is not there")
	}
	s := newServer(t, nil)
	if s.Name() != "gopher" {
		t.Errorf("Name() = %q", s.Name())
	}
	if got, want := ask(t, s, friend, "\r\n"), item("7", "Search", "/search")+".\r\n"; got != want {
		t.Errorf("menu of nothing: %q, want %q", got, want)
	}
}
