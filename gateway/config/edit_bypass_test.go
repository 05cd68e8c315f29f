package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const bypassesBefore = `# ours
[household]
interfaces = ["br-lan"]

[[bypass]] # the bank
domains = ["bank.example", # cards
  "pay.example"]
devices = ["laptop"]

# television
[[bypass]]
prefixes = ["198.51.100.0/24"]

[gateway]
one-arm = false
`

func TestEditBypassText(t *testing.T) {
	known := []string{"laptop", "tv"}
	for _, x := range []struct {
		name string
		e    BypassEdit
		want func(string) string
	}{
		{"added", BypassEdit{To: "shop.example", Devices: []string{"laptop", "tv"}}, func(s string) string {
			return s + "\n[[bypass]]\ndomains = [\"shop.example\"]\ndevices = [\"laptop\", \"tv\"]\n"
		}},
		{"a network", BypassEdit{To: "203.0.113.0/24"}, func(s string) string {
			return s + "\n[[bypass]]\nprefixes = [\"203.0.113.0/24\"]\n"
		}},
		{"there already", BypassEdit{To: "pay.example", Devices: []string{"laptop"}}, func(s string) string { return s }},
		{"one of two", BypassEdit{To: "pay.example", Remove: true}, func(s string) string {
			return strings.Replace(s, ", # cards\n  \"pay.example\"]", "]", 1)
		}},
		{"the only one", BypassEdit{To: "198.51.100.0/24", Remove: true}, func(s string) string {
			return strings.Replace(s, "\n[[bypass]]\nprefixes = [\"198.51.100.0/24\"]\n\n", "\n", 1)
		}},
	} {
		got, err := editBypass(x.e, "tunic.toml", bypassesBefore, known)
		if want := x.want(bypassesBefore); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", x.name, err, got, want)
		}
	}
}

func TestEditBypassRefuses(t *testing.T) {
	for _, x := range []struct {
		name, text string
		e          BypassEdit
		says       string
	}{
		{"for others", bypassesBefore, BypassEdit{To: "bank.example"}, "let out already, for laptop"},
		{"not there", bypassesBefore, BypassEdit{To: "shop.example", Remove: true}, "in no [[bypass]]"},
		{"a device that is none", bypassesBefore, BypassEdit{To: "shop.example", Devices: []string{"fridge"}},
			`no device called "fridge"`},
		{"a file with a mistake", bypassesBefore + "x = \n", BypassEdit{To: "shop.example"}, "tunic.toml:"},
		{"in one line", "bypass = [{domains = [\"bank.example\"]}]\n", BypassEdit{To: "bank.example", Remove: true}, errByHand.Error()},
	} {
		if got, err := editBypass(x.e, "tunic.toml", x.text, []string{"laptop"}); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %q, %v", x.name, got, err)
		}
	}
}

// A name of a device is a name, and no more lines of the file.
func TestEditBypassTakesNamesAlone(t *testing.T) {
	for _, name := range []string{"laptop\"]\n[tor]\nisolate-destinations = true\n#", "laptop\"]\nprefixes = [\"8.8.0.0/16\"] #", "radio",
		""} {
		e := BypassEdit{To: "shop.example", Devices: []string{"tv", name}}
		got, err := editBypass(e, "tunic.toml", bypassesBefore, []string{"laptop", "tv"})
		if err == nil || !strings.Contains(err.Error(), "there is no device called") || strings.Contains(err.Error(), "tunic.toml:") {
			t.Errorf("%q: %v, %s", name, err, got)
		}
	}
}

func TestParseBypassTo(t *testing.T) {
	for text, want := range map[string]string{
		"bank.example": "bank.example", "Bank.Example.": "bank.example", "https://login.bank.example:8443/start?x": "login.bank.example",
		"198.51.100.0/24": "198.51.100.0/24", "198.51.100.7": "198.51.100.7/32", "2001:db8:1::/48": "2001:db8:1::/48",
	} {
		if got, err := ParseBypassTo(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "example", "*.bank.example", "http://photos.onion", "alice.peer.home.arpa", "10.0.0.0/7",
		"198.51.100.1/24", "bank .example", "127.0.0.1", "https://", "-x.example"} {
		if got, err := ParseBypassTo(text); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}

func TestEditBypass(t *testing.T) {
	p := NewPaths(t.TempDir())
	if err := EditBypass(p, BypassEdit{To: "bank.example"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Main()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Main(), []byte("[household]\ninterfaces = [\"br-lan\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := EditBypass(p, BypassEdit{To: "bank.example"}); err != nil {
		t.Fatal(err)
	}
	c, err := Load(p)
	if err != nil || len(c.Bypasses) != 1 || !c.Bypasses[0].Has("bank.example") {
		t.Errorf("%+v, %v", c, err)
	}
}
