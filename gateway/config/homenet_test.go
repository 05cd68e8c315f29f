package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestHouseholdPrefixes(t *testing.T) {
	file := func(line string) map[string]string {
		return map[string]string{"tunic.toml": "[household]\ninterfaces = [\"br-lan\", \"ygg0\"]\n" + line + "\n"}
	}
	c, err := Load(newBox(t, file(`prefixes = ["201:db8:1::5/128", "10.99.0.0/24", "10.0.0.0/8"]`)))
	want := []netip.Prefix{netip.MustParsePrefix("201:db8:1::5/128"), netip.MustParsePrefix("10.99.0.0/24"),
		netip.MustParsePrefix("10.0.0.0/8")}
	if err != nil || !slices.Equal(c.Household.Prefixes, want) {
		t.Fatalf("%v, %v", c, err)
	}
	for line, says := range map[string]string{
		`prefixes = ["200::/7"]`:                             "wider than /32",
		`prefixes = ["fc00::/8"]`:                            "wider than /32",
		`prefixes = ["0.0.0.0/0"]`:                           "wider than /8",
		`prefixes = ["10.99.0.2/24"]`:                        `write "10.99.0.0/24"`,
		`prefixes = ["10.99.0.2"]`:                           "no network",
		`prefixes = ["::ffff:10.99.0.0/120"]`:                "no network",
		`prefixes = ["127.0.0.0/8"]`:                         "no network of hosts",
		`prefixes = ["ff02::/32"]`:                           "no network of hosts",
		`prefixes = ["fe80::/64"]`:                           "no network of hosts",
		`prefixes = ["10.1.0.0/16", "10.1.0.0/16"]`:          "named twice",
		"one-arm = true\nprefixes = [\"10.99.0.0/24\"]":      "does not go with one-arm",
		`prefixes = "10.99.0.0/24"`:                          "prefixes",
		`prefixes = ["br-lan"]`:                              "no network",
		`prefixes = ["10.99.0.0/24", "203.0.113.0/24 -j X"]`: "no network",
	} {
		if _, err := Load(newBox(t, file(line))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
