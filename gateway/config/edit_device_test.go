package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetText(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"empty file", "", "policy = \"direct\"\n"},
		{"new key", "mac = \"a\"\n", "mac = \"a\"\npolicy = \"direct\"\n"},
		{"no newline at the end", "mac = \"a\"", "mac = \"a\"\npolicy = \"direct\"\n"},
		{"keeps the comment", "# the TV\npolicy = \"tor\"   # until it works\nmac = \"a\"\n",
			"# the TV\npolicy = \"direct\"   # until it works\nmac = \"a\"\n"},
		{"single quotes", "  policy='tor'\n", "  policy=\"direct\"\n"},
		{"quoted key", "\"policy\" = \"tor\"\n", "\"policy\" = \"direct\"\n"},
		{"DOS lines", "policy = \"tor\"\r\nmac = \"a\"\r\n", "policy = \"direct\"\r\nmac = \"a\"\r\n"},
		{"a hash in the value", "policy = \"t#r\" # x\n", "policy = \"direct\" # x\n"},
		{"a key in a comment", "# policy = \"tor\"\nmac = \"a\"\n", "# policy = \"tor\"\nmac = \"a\"\npolicy = \"direct\"\n"},
		{"before a table", "mac = \"a\"\n[x]\ny = 1\n", "mac = \"a\"\npolicy = \"direct\"\n[x]\ny = 1\n"},
		{"the same", "policy = \"direct\"\n", "policy = \"direct\"\n"},
	}
	for _, c := range cases {
		got, err := setText(c.text, "policy", "direct")
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestSetTextLeavesToItsOwner(t *testing.T) {
	for _, text := range []string{"policy = \"\"\"tor\"\"\"\n", "policy = \"\"\"\ntor\"\"\"\n", "policy = 7\n", "policy = ['tor']\n"} {
		if got, err := setText(text, "policy", "direct"); !errors.Is(err, errByHand) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got, err := setText("policy = \n", "policy", "direct"); err == nil {
		t.Errorf("no TOML: %q", got)
	}
}

func TestEditDevice(t *testing.T) {
	p := NewPaths(t.TempDir())
	path := filepath.Join(p.DeviceDir(), "tv.toml")
	read := func() string {
		text, _ := os.ReadFile(path)
		return string(text)
	}
	err := EditDevice(p, DeviceEdit{Name: "tv", MAC: "02:00:00:00:00:01", Policy: PolicyDirect})
	if err != nil || read() != "mac = \"02:00:00:00:00:01\"\npolicy = \"direct\"\n" {
		t.Fatalf("made %q, %v", read(), err)
	}
	const before = "# mine\nmac = \"02:00:00:00:00:01\"\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	err = EditDevice(p, DeviceEdit{Name: "tv", Policy: PolicyBlock})
	if err != nil || read() != before+"policy = \"block\"\n" {
		t.Fatalf("changed to %q, %v", read(), err)
	}
	for _, name := range []string{"", "../x", "TV", strings.Repeat("a", 31)} {
		if err := EditDevice(p, DeviceEdit{Name: name, Policy: PolicyTor}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

func TestParseWords(t *testing.T) {
	if mac, err := ParseMAC("02-00-00-AA-00-01"); err != nil || mac != "02:00:00:aa:00:01" {
		t.Errorf("ParseMAC: %q, %v", mac, err)
	}
	if _, err := ParseMAC("02:00"); err == nil {
		t.Error("half an address is taken for one")
	}
	if p, err := ParsePolicy("onion"); err != nil || p != PolicyOnion {
		t.Errorf("ParsePolicy: %q, %v", p, err)
	}
	if _, err := ParsePolicy("dirct"); err == nil || !strings.Contains(err.Error(), "direct") {
		t.Errorf("ParsePolicy of a slip: %v", err)
	}
}

func FuzzSetText(f *testing.F) {
	f.Add("# x\nmac = \"a\" # y\n")
	f.Add("[t]\nmac = 'b'")
	f.Add("mac.x = 1\n")
	f.Add("mac = \"\"\"\n\"\"\"")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := setText(text, "mac", "02:00:00:00:00:01")
		if err != nil {
			return
		}
		doc, top := parseDocument("", []byte(got))
		if len(doc.errs) == 0 && top.values["mac"] != "02:00:00:00:00:01" {
			t.Errorf("%q became %q", text, got)
		}
	})
}
