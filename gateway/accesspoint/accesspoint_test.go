package accesspoint

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// radio has a name and a password with signs that mean something to somebody.
var radio = Radio{Interface: "wlan0", Country: "DE", SSID: "Café; \"home\"", Password: `a#b\c;d"e=f g`,
	Network: netip.MustParsePrefix("192.168.87.1/24")}

func TestGolden(t *testing.T) {
	for name, files := range map[string][]File{"networkmanager.txt": radio.NetworkManager(), "hostapd.txt": radio.Files()} {
		var b strings.Builder
		for _, f := range files {
			fmt.Fprintf(&b, "==== /%s %04o\n%s", f.Path, f.Mode, f.Text)
			if strings.Contains(f.Text, "psk=") || strings.Contains(f.Text, "wpa_passphrase=") {
				if f.Mode != 0o600 {
					t.Errorf("%s has the password, and the mode %o", f.Path, f.Mode)
				}
			}
			if strings.Contains(f.Text, "shared") {
				t.Errorf("%s shares", f.Path)
			}
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || string(want) != b.String() {
			t.Errorf("%s: %v:\n%s", name, err, b.String())
		}
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		check func(string) error
		right []string
		wrong []string
	}{
		{CheckInterface, []string{"wlan0", "wlx001122334455", "wlan0.1", "WLAN_a"},
			[]string{"", "wlan-ap", "wl*", "a%i", "a$b", `a\b`, "a@b", "wlän0", "a\"b", "a;b", "a#b", "a:1"}},
		{CheckCountry, []string{"DE", "US"}, []string{"", "de", "D", "DEU", "D1", "00"}},
		{CheckSSID, []string{"home", "Café", strings.Repeat("a", 32)}, []string{"", strings.Repeat("ä", 17), "a\nb", "\xff", "a\x00"}},
		{CheckPassword, []string{"12345678", strings.Repeat("a", 63), `a b"c#d\e`},
			[]string{"", "1234567", strings.Repeat("a", 64), "pässword", "a\nbcdefgh", " 12345678", "12345678 "}},
	} {
		for _, text := range c.right {
			if err := c.check(text); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		for _, text := range c.wrong {
			if c.check(text) == nil {
				t.Errorf("%q is right", text)
			}
		}
	}
}

func TestFree(t *testing.T) {
	taken := []netip.Prefix{netip.MustParsePrefix("192.168.87.9/25"), netip.MustParsePrefix("192.168.88.0/23"),
		netip.MustParsePrefix("fd00::/8"), {}}
	if got := Free(taken); got != netip.MustParsePrefix("192.168.90.1/24") {
		t.Errorf("%v", got)
	}
	if got := Free([]netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}); got.IsValid() {
		t.Errorf("%v", got)
	}
}
