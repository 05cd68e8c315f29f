package onion

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
)

// known are the examples of rend-spec-v3, "Encoding onion addresses", and the
// address of the Tor Project's web site.
var known = []string{
	"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
	"sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd",
	"xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd",
	"2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
}

func TestParse(t *testing.T) {
	for _, s := range known {
		for _, spelling := range []string{s, strings.ToUpper(s)} {
			got, err := Parse(spelling)
			if err != nil || string(got) != s {
				t.Errorf("Parse(%q) = %q, %v", spelling, got, err)
			}
		}
		a := Address(s)
		if back := FromPublicKey(a.PublicKey()); back != a {
			t.Errorf("FromPublicKey(PublicKey(%s)) = %s", a, back)
		}
		if a.Host() != s+".onion" {
			t.Errorf("Host() = %q", a.Host())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := known[0]
	for name, s := range map[string]string{
		"empty":          "",
		"short":          good[:55],
		"long":           good + "a",
		"one letter off": "a" + good[1:],
		"last letters":   good[:54] + "aa",
		"digit 1":        "1" + good[1:],
		"padding":        good[:55] + "=",
		"line feed":      good[:55] + "\n",
		"not ASCII":      good[:54] + "é",
		"line feeds":     good[:48] + strings.Repeat("\n", 8),
		"folds to ASCII": good[:40] + strings.Repeat("ı", 8),
		"version 2":      "expyuzz4wqqyqhjn",
		"all a":          strings.Repeat("a", 56),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(s)
			if !errors.Is(err, ErrAddress) || got != "" {
				t.Fatalf("Parse = %q, %v", got, err)
			}
			if s != "" && strings.Contains(err.Error(), s) {
				t.Errorf("the error repeats the input: %v", err)
			}
		})
	}
}

func TestParseName(t *testing.T) {
	key := known[1]
	for _, tc := range []struct {
		host string
		ok   bool
	}{
		{key + ".onion", true},
		{key + ".onion.", true},
		{strings.ToUpper(key) + ".Onion", true},
		{"www." + key + ".onion", true},
		{"a.b.c." + key + ".ONION.", true},
		{key, false},
		{key + ".onion..", false},
		{key + ".onion.example", false},
		{key + ".www.onion", false},
		{"foo.onion", false},
		{".onion", false},
		{"onion", false},
		{"", false},
		{"x" + key + ".onion", false},
		{strings.Replace(key, "k", "\u212a", 1) + ".onion", false}, // the Kelvin sign, a k for strings.ToLower
		{key[:52] + strings.Repeat("\n", 4) + ".onion", false},
	} {
		got, err := ParseName(tc.host)
		if tc.ok && (err != nil || string(got) != key) {
			t.Errorf("ParseName(%q) = %q, %v", tc.host, got, err)
		}
		if !tc.ok && !errors.Is(err, ErrAddress) {
			t.Errorf("ParseName(%q) = %q, %v; want a refusal", tc.host, got, err)
		}
	}
}

func TestPublicKeyOfNoAddress(t *testing.T) {
	for _, a := range []Address{"", "short", Address(strings.Repeat("!", 56)), Address(strings.Repeat("a", 64))} {
		if key := a.PublicKey(); key != nil {
			t.Errorf("PublicKey(%q) = %x", a, key)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range known {
		f.Add(s + ".onion")
		f.Add("www." + strings.ToUpper(s) + ".onion.")
	}
	f.Add("foo.onion")
	f.Fuzz(func(t *testing.T, host string) {
		a, err := ParseName(host)
		if err != nil {
			if a != "" || !errors.Is(err, ErrAddress) {
				t.Fatalf("ParseName(%q) = %q, %v", host, a, err)
			}
			return
		}
		again, err := ParseName(a.Host())
		if err != nil || again != a {
			t.Fatalf("ParseName(%q) = %q, %v; was %q", a.Host(), again, err, a)
		}
		if len(a.PublicKey()) != ed25519.PublicKeySize || FromPublicKey(a.PublicKey()) != a {
			t.Fatalf("%q does not come back from its key", a)
		}
	})
}
