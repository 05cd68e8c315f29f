package address

import (
	"crypto/ed25519"
	"errors"
	"net/mail"
	"strings"
	"testing"

	"tunic/gateway/onion"
)

var (
	own   = onion.FromPublicKey(make(ed25519.PublicKey, 32))
	alice = onion.FromPublicKey([]byte(strings.Repeat("a", 32)))
	book  = Book{Own: own, Peers: map[string]onion.Address{"alice": alice}}
)

func TestParse(t *testing.T) {
	for text, want := range map[string]error{
		"bob@" + Domain(alice):                              nil,
		"bob@" + strings.ToUpper(string(alice)) + ".ONION.": nil,
		"bob+list@example.com":                              nil,
		"b.o.b@example.com":                                 nil,
		"bob":                                               ErrSyntax,
		"@example.com":                                      ErrSyntax,
		"bob@":                                              ErrSyntax,
		"bob@[192.0.2.1]":                                   ErrSyntax,
		"bob@laptop":                                        ErrSyntax,
		"bob@-x.example":                                    ErrSyntax,
		"bob..b@example.com":                                ErrSyntax,
		"bób@example.com":                                   ErrSyntax,
		"bob@exämple.com":                                   ErrSyntax,
		"bob@example.com\r\nRCPT":                           ErrSyntax,
		strings.Repeat("b", 65) + "@example.com":            ErrSyntax,
		"eve%example.com@" + Domain(own):                    ErrRoute,
		"example.com!eve@" + Domain(own):                    ErrRoute,
		"eve@example.com@" + Domain(own):                    ErrRoute,
		`"eve@example.com"@` + Domain(own):                  ErrRoute,
		"@x.example:eve@" + Domain(own):                     ErrRoute,
	} {
		if _, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %v, want %v", text, err, want)
		}
	}
}

func TestUserIgnoresCaseAndDetail(t *testing.T) {
	if m, _ := Parse("Bob+news@example.com"); m.User() != "bob" {
		t.Errorf("User = %q", m.User())
	}
}

func TestKeyOfADomain(t *testing.T) {
	for domain, want := range map[string]bool{
		Domain(alice): true, alice.Host(): true,
		"www." + alice.Host(): false, "example.com": false, "alice" + Suffix: false,
		string(alice[:55]) + "a" + Suffix: false,
	} {
		if _, ok := Key(domain); ok != want {
			t.Errorf("Key(%q) = %v", domain, ok)
		}
	}
}

func TestRewriteHeader(t *testing.T) {
	key := Domain(alice)
	for value, want := range map[string]string{
		" bob@alice.peer.home.arpa":                              " bob@" + key,
		` "Bob, B." <bob@Alice.Peer.home.arpa>, x@box.home.arpa`: ` "Bob, B." <bob@` + key + ">, x@" + Domain(own),
		" bob@" + alice.Host():                                   " bob@" + key,
		` "a@alice.peer.home.arpa" <b@example.com>`:              ` "a@alice.peer.home.arpa" <b@example.com>`,
		` (write \) a@alice.peer.home.arpa) b@example.com`:       ` (write \) a@alice.peer.home.arpa) b@example.com`,
		" friends: bob@alice.peer.home.arpa,\r\n c@example.com;": " friends: bob@" + key + ",\r\n c@example.com;",
		" =?utf-8?q?B=C3=B6b?= <bob@alice.peer.home.arpa>":       " =?utf-8?q?B=C3=B6b?= <bob@" + key + ">",
	} {
		got, err := book.RewriteHeader(value)
		if err != nil || got != want {
			t.Errorf("RewriteHeader(%q)\n got %q, %v\nwant %q", value, got, err, want)
		}
	}
	var unknown *UnknownPetnameError
	if _, err := book.RewriteHeader("bob@carol.peer.home.arpa"); !errors.As(err, &unknown) || unknown.Name != "carol" {
		t.Errorf("an unknown petname: %v", err)
	}
}

// A list that gets longer by its keys stays within the length of a line.
func TestRewriteHeaderFolds(t *testing.T) {
	list := " " + strings.TrimSuffix(strings.Repeat("bob@alice.peer.home.arpa, ", 60), ", ")
	got, err := book.RewriteHeader(list)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(got, "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line has %d characters", len(line))
		}
	}
	parsed, err := mail.ParseAddressList(unfold(got))
	if err != nil || len(parsed) != 60 {
		t.Errorf("%d addresses are left (%v)", len(parsed), err)
	}
}

// unfold joins lines again, which net/mail leaves to those who read headers.
func unfold(value string) string { return strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "")) }

// Whatever is rewritten holds no petname that anybody else would read as one,
// and the same addresses otherwise.
func FuzzRewriteHeader(f *testing.F) {
	for _, s := range []string{
		"bob@alice.peer.home.arpa", `"x" <a@box.home.arpa>, b@example.com`, "(a@alice.peer.home.arpa", `"\"@alice.peer.home.arpa`,
		"g: a@alice.peer.home.arpa;", "a@alice.peer.home.arpa.", "@@alice.peer.home.arpa", "=?utf-8?q?=40alice.peer.home.arpa?= <a@b.c>",
		strings.Repeat("a@alice.peer.home.arpa, ", 50),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := book.RewriteHeader(value)
		if err != nil {
			return
		}
		again, err := book.RewriteHeader(got)
		if err != nil || again != got {
			t.Fatalf("rewriting twice changes %q to %q (%v)", got, again, err)
		}
		before, err := mail.ParseAddressList(unfold(value))
		if err != nil {
			return
		}
		after, err := mail.ParseAddressList(unfold(got))
		if err != nil || len(after) != len(before) {
			t.Fatalf("%q\nbecame unreadable: %q (%v)", value, got, err)
		}
		for i := range after {
			if after[i].Name != before[i].Name {
				t.Fatalf("a name changed: %q, %q", before[i].Name, after[i].Name)
			}
		}
	})
}
