package config

import (
	"slices"
	"strings"
	"testing"
)

func TestBlockLists(t *testing.T) {
	onion := strings.Repeat("a", 55) + "d.onion"
	for list, want := range map[string]string{
		`"/etc/tunic/block/ads.txt"`:                 "",
		`"https://lists.example/hosts.txt"`:          "",
		`"https://lists.example:8443/h?x=1"`:         "",
		`"http://` + onion + `/hosts.txt"`:           "",
		`"http://lists.example/hosts.txt"`:           "http:// is for onions alone",
		`"ftp://lists.example/hosts.txt"`:            "only https://",
		`"https://ann:secret@lists.example/h"`:       "a name and a password",
		`"https://192.168.77.1/h"`:                   "no name on the internet",
		`"https://[fd00::1]/h"`:                      "no name on the internet",
		`"https://router/h"`:                         "no name on the internet",
		`"https://nas.home.arpa/h"`:                  "no name on the internet",
		`"ads.txt"`:                                  "neither a path from / nor a URL",
		`"/etc/../x"`:                                "not the shortest form",
		`"/a", "/a"`:                                 "named twice",
		strings.Repeat(`"/a",`, maxBlockLists) + `1`: "33 lists",
	} {
		p := newBox(t, map[string]string{"tunic.toml": "[household]\ninterfaces = [\"br-lan\"]\n[dns]\nblock = [" + list + "]\n"})
		c, err := Load(p)
		if want == "" {
			if err != nil || len(c.DNS.Block) != 1 || !strings.Contains(list, c.DNS.Block[0]) {
				t.Errorf("%s: %v", list, err)
			}
			continue
		}
		if got := mistakes(p, err); !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is told: %v", err)
		}
	}
}

func TestDeviceWithoutBlockLists(t *testing.T) {
	c, err := Load(newBox(t, map[string]string{
		"devices/a.toml": "mac = \"02:00:00:00:00:10\"\nblock = false\n",
		"devices/b.toml": "mac = \"02:00:00:00:00:11\"\nblock = true\n",
		"devices/c.toml": "mac = \"02:00:00:00:00:12\"\n",
	}))
	if err != nil || !c.Devices[0].Unblocked || c.Devices[1].Unblocked || c.Devices[2].Unblocked {
		t.Errorf("%+v %v", c, err)
	}
}
