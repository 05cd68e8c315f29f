package gopher

import (
	"strings"
	"testing"
)

func TestGophermap(t *testing.T) {
	link := func(kind, display, selector, host, port string) string {
		return kind + display + "\t" + selector + "\t" + host + "\t" + port + "\r\n"
	}
	tests := []struct{ name, line, want string }{
		{"text", "Welcome!", item("i", "Welcome!", "")},
		{"empty", "", item("i", "", "")},
		{"a dot is the end", ".\nmore", ""},
		{"a comment", "# for me", ""},
		{"a drawing", "####", item("i", "####", "")},
		{"a line", "-----", item("i", "-----", "")},
		{"a double line", "=====", item("i", "=====", "")},
		{"a title", "!My hole", "iMy hole\tTITLE\t" + friend.Host + "\t70\r\n"},
		{"no title", "x\n!really", item("i", "x", "") + item("i", "!really", "")},
		{"not a type", ":-) = x", item("i", ":-) = x", "")},
		{"CR LF", "Hi\r", item("i", "Hi", "")},
		{"full", "1Other\t/x\tgopher.example.org\t7070", link("1", "Other", "/x", "gopher.example.org", "7070")},
		{"more than full", "1Other\t/x\tgopher.example.org\t7070\t+", link("1", "Other", "/x", "gopher.example.org", "7070")},
		{"blank behind the port", "1Friend\t/\thole.example\t70 ", link("1", "Friend", "/", "hole.example", "70")},
		{"blank behind the host", "1Friend\t/\thole.example \t70", link("1", "Friend", "/", "hole.example", "70")},
		{"home: blank behind the host", "1NAS\t/\tnas.lan \t70", item("i", "NAS", "")},
		{"no port", "1Other\tx y\tgopher.example.org", link("1", "Other", "x y", "gopher.example.org", "70")},
		{"an onion", "1Bob\t\tbob.onion\t70", link("1", "Bob", "", "bob.onion", "70")},
		{"a friend's global name", "1Bob\t/\tkey.peer.home.arpa\t70", link("1", "Bob", "/", "key.peer.home.arpa", "70")},
		{"a public address", "1X\t/\t203.0.113.5\t70", link("1", "X", "/", "203.0.113.5", "70")},
		{"no host", "0File\t/x.txt", item("0", "File", "/x.txt")},
		{"relative", "0File\tx.txt", item("0", "File", "/dir/x.txt")},
		{"relative and up", "0File\t../../../x.txt", item("0", "File", "/x.txt")},
		{"only a name", "0x.txt\t", item("0", "x.txt", "/dir/x.txt")},
		{"plus", "0File\tx.txt\t+\t+", item("0", "File", "/dir/x.txt")},
		{"localhost", "0File\tx.txt\tlocalhost\t7070", item("0", "File", "/dir/x.txt")},
		{"loopback", "0File\tx.txt\t127.0.0.1\t70", item("0", "File", "/dir/x.txt")},
		{"search", "7Find\t/search", item("7", "Find", "/search")},
		{"URL", "hWeb\tURL:https://example.org/", item("h", "Web", "URL:https://example.org/")},
		{"info line", "iHello\tfake\t(NULL)\t0", item("i", "Hello", "")},
		{"home: private address", "1NAS\t/\t192.168.1.5\t70", item("i", "NAS", "")},
		{"home: IPv6", "1NAS\t/\tfd00::5\t70", item("i", "NAS", "")},
		{"home: mapped", "1NAS\t/\t::ffff:10.0.0.1\t70", item("i", "NAS", "")},
		{"home: link-local", "1NAS\t/\tfe80::1\t70", item("i", "NAS", "")},
		{"home: one label", "1NAS\t/\tnas\t70", item("i", "NAS", "")},
		{"home: lan", "1NAS\t/\tnas.LAN.\t70", item("i", "NAS", "")},
		{"home: mDNS", "1NAS\t/\tnas.local\t70", item("i", "NAS", "")},
		{"home: home.arpa", "1NAS\t/\tnas.home.arpa\t70", item("i", "NAS", "")},
		{"no port number", "1X\t/\texample.org\tseventy", item("i", "X", "")},
		{"port 0", "1X\t/\texample.org\t0", item("i", "X", "")},
		{"no type", "\t/x.txt", item("i", " /x.txt", "")},
		{"control characters", "0F\x1b[2Ji\x00le\tx\x07.txt", item("0", "F[2Jile", "/dir/x.txt")},
		{"odd type", "\x01File\tx.txt", item("i", "File x.txt", "")},
		{"not UTF-8", "0Caf\xe9\tcaf\xe9.txt", item("0", "Caf?", "/dir/caf\xe9.txt")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, map[string]string{"dir/gophermap": tt.line + "\n"})
			if got := ask(t, s, friend, "/dir\r\n"); got != tt.want+".\r\n" {
				t.Errorf("line %q became\n%q, want\n%q", tt.line, got, tt.want)
			}
		})
	}
}

func TestGophermapOfTheRoot(t *testing.T) {
	s := newServer(t, map[string]string{"gophermap": "Hi\n0x.txt\t\n", "x.txt": "x"})
	if got, want := ask(t, s, friend, "\r\n"), item("i", "Hi", "")+item("0", "x.txt", "/x.txt")+".\r\n"; got != want {
		t.Errorf("menu %q, want %q", got, want)
	}
}

func TestGophermapIsBounded(t *testing.T) {
	s := newServer(t, map[string]string{"gophermap": strings.Repeat("x", maxMap) + "\nnot read\n"})
	got := ask(t, s, friend, "\r\n")
	if len(got) > maxMap+100 || strings.Contains(got, "not read") || !strings.HasSuffix(got, "\r\n.\r\n") {
		t.Errorf("a menu of %d bytes from a gophermap that is too large", len(got))
	}
}

func TestGophernicusMaps(t *testing.T) {
	files := map[string]string{
		"dir/gophermap": "=head.map\n-secret.txt\n:md=h\n*\nnot shown\n", "dir/head.map": "Welcome\n=sub/more.map\n",
		"dir/sub/more.map": "deeper\n",
		"dir/secret.txt":   "x", "dir/plain.txt": "x", "dir/page.md": "x",
		"loop/gophermap": "a\n=gophermap\nb\n", "ends/gophermap": "=stop.map\nnot shown\n", "ends/stop.map": "last\n.\n",
		"out/gophermap": "=../dir/secret.txt\n=/etc/passwd\n",
	}
	s := newServer(t, files)
	want := item("i", "Welcome", "") + item("i", "deeper", "") + item("1", "sub", "/dir/sub") + item("0", "head.map", "/dir/head.map") +
		item("h", "page.md", "/dir/page.md") + item("0", "plain.txt", "/dir/plain.txt") + ".\r\n"
	if got := ask(t, s, friend, "/dir\r\n"); got != want {
		t.Errorf("a map with a list:\n%q, want\n%q", got, want)
	}
	if got := ask(t, s, friend, "/loop\r\n"); strings.Count(got, "ia\t") != maxIncludes+1 || strings.Count(got, "ib\t") != maxIncludes+1 {
		t.Errorf("a map that includes itself: %q", got)
	}
	if got := ask(t, s, friend, "/ends\r\n"); got != item("i", "last", "")+".\r\n" {
		t.Errorf("an included map that ends: %q", got)
	}
	if got := ask(t, s, friend, "/out\r\n"); got != item("i", "=../dir/secret.txt", "")+item("i", "=/etc/passwd", "")+".\r\n" {
		t.Errorf("includes from elsewhere: %q", got)
	}
}

func TestCaps(t *testing.T) {
	if got := ask(t, newServer(t, nil), friend, "caps.txt\r\n"); !strings.HasPrefix(got, "CAPS\r\n") ||
		!strings.Contains(got, "\r\nCapsVersion=1\r\n") || strings.Contains(got, "tunic") {
		t.Errorf("caps.txt: %q", got)
	}
	if got := ask(t, newServer(t, map[string]string{"caps.txt": "CAPS\nMine=1\n"}), friend,
		"/caps.txt\r\n"); got != "CAPS\r\nMine=1\r\n.\r\n" {
		t.Errorf("the owner's own: %q", got)
	}
}

// Whatever a map says, a menu consists of lines with four fields and ends.
func FuzzGophermap(f *testing.F) {
	for _, seed := range []string{"!t\n#\n*\n", "=other\n-x\n:a=1\n.\n", "0a\tb\tc\t70\r\nhURL\tURL:https://x/", "\x00\xff\t\t\t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := ask(t, newServer(t, map[string]string{"gophermap": text, "other": "x\n", "x": "y"}), friend, "\r\n")
		menu, ok := strings.CutSuffix(got, ".\r\n")
		if !ok {
			t.Fatalf("no end in %q", got)
		}
		for line := range strings.SplitAfterSeq(menu, "\r\n") {
			if line != "" && (strings.Count(line, "\t") != 3 || !strings.HasSuffix(line, "\r\n")) {
				t.Fatalf("line %q in %q", line, got)
			}
		}
	})
}
