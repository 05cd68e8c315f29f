package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestThingMistakes is about devices, onions and endpoints. want are the
// mistakes without hints.
func TestThingMistakes(t *testing.T) {
	const photos, home = "onions/photos.toml", "onions/home.toml"
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"device without mac", map[string]string{"devices/tv.toml": "policy = \"block\"\n"}, []string{`devices/tv.toml: mac: missing`}},
		{"device unknown key", map[string]string{"devices/tv.toml": "mac = \"02:00:00:00:00:01\"\npolcy = \"block\"\n"},
			[]string{`devices/tv.toml:2: polcy: unknown key`}},
		{"device not TOML", map[string]string{"devices/tv.toml": "mac\n"},
			[]string{`devices/tv.toml:1: column 4: a = is expected after the key`}},
		{"group address", map[string]string{"devices/tv.toml": "mac = \"ff:ff:ff:ff:ff:ff\"\n"},
			[]string{`devices/tv.toml:1: mac: ff:ff:ff:ff:ff:ff is the address of a group, not of a device`}},
		{"zero address", map[string]string{"devices/tv.toml": "mac = \"00:00:00:00:00:00\"\n"},
			[]string{`devices/tv.toml:1: mac: 00:00:00:00:00:00 is no device's address`}},
		{"long address", map[string]string{"devices/tv.toml": "mac = \"02:00:00:00:00:00:00:01\"\n"},
			[]string{`devices/tv.toml:1: mac: "02:00:00:00:00:00:00:01" is not a hardware address`}},
		{"same mac", map[string]string{"devices/a.toml": "mac = \"02:00:00:00:00:0A\"\n",
			"devices/b.toml": "policy = \"tor\"\nmac = \"02-00-00-00-00-0a\"\n"},
			[]string{`devices/b.toml:2: mac: 02:00:00:00:00:0a is also the address in devices/a.toml`}},

		{"onion without ports", map[string]string{photos: "", home: ""}, []string{`onions/photos.toml: ports: missing`}},
		{"onion with empty ports", map[string]string{photos: "\n[ports]\n"}, []string{`onions/photos.toml:2: ports: missing`}},
		{"ports is a list", map[string]string{photos: "ports = [80]\n"},
			[]string{`onions/photos.toml:1: ports: must be a table, [ports], not a list`}},
		{"public", map[string]string{photos: "public = false\n[ports]\n80 = \"10.0.0.1:80\"\n", home: "public = 1\n"},
			[]string{`onions/home.toml:1: public: must be true or false, not a number`,
				`onions/photos.toml:1: public: only home.toml has it: every other onion is for all who know its address unless it says ` +
					`private = true`}},
		{"later keys", map[string]string{photos: "fast = true\n[ports]\n80 = \"10.0.0.1:80\"\n"},
			[]string{`onions/photos.toml:1: fast: unknown key`}},
		{"virtual ports", map[string]string{photos: "[ports]\n0 = \"10.0.0.1:80\"\n65536 = \"10.0.0.1:80\"\n080 = \"10.0.0.1:80\"\n" +
			"http = \"10.0.0.1:80\"\n80.1 = \"10.0.0.1:80\"\n"},
			[]string{`onions/photos.toml:2: ports.0: "0" is no port: 1 to 65535`,
				`onions/photos.toml:3: ports.65536: "65536" is no port: 1 to 65535`,
				`onions/photos.toml:4: ports.080: "080" is no port: 1 to 65535`,
				`onions/photos.toml:5: ports.http: "http" is no port: 1 to 65535`,
				`onions/photos.toml:6: ports.80.to: missing`, `onions/photos.toml:6: ports.80.1: unknown key`}},
		{"target type", map[string]string{photos: "[ports]\n80 = 8080\n"},
			[]string{`onions/photos.toml:2: ports.80: must be text in quotes, not a number`}},

		{"household's SOCKS port",
			map[string]string{photos: "[ports]\n1 = \"127.0.0.1:9050\"\n2 = \"[::1]:9050\"\n3 = \"127.9.9.9:9050\"\n" +
				"4 = \"[::ffff:127.0.0.1]:9050\"\n5 = \"192.168.1.7:9050\"\n"},
			[]string{`onions/photos.toml:2: ports.1: would give every visitor your SOCKS port: they would browse in your name`,
				`onions/photos.toml:3: ports.2: would give every visitor your SOCKS port: they would browse in your name`,
				`onions/photos.toml:4: ports.3: would give every visitor your SOCKS port: they would browse in your name`,
				`onions/photos.toml:5: ports.4: would give every visitor your SOCKS port: they would browse in your name`}},
		{"SOCKS port of one's own choice", map[string]string{"tunic.toml": okMain + "[socks]\nport = 1080\n",
			photos: "[ports]\n1 = \"127.0.0.1:1080\"\n2 = \"127.0.0.1:9050\"\n"},
			[]string{`onions/photos.toml:2: ports.1: would give every visitor your SOCKS port: they would browse in your name`}},
		{"internal ports",
			map[string]string{photos: "[ports]\n1 = \"127.0.0.1:9250\"\n2 = \"192.168.77.1:9350\"\n3 = \"192.168.77.1:9240\"\n" +
				"4 = \"[::1]:9353\"\n"},
			[]string{`onions/photos.toml:2: ports.1: would give every visitor your SOCKS port: they would browse in your name`,
				`onions/photos.toml:3: ports.2: would give every visitor your SOCKS port: they would browse in your name`,
				`onions/photos.toml:4: ports.3: port 9240 is one of tunic's own`,
				`onions/photos.toml:5: ports.4: port 9353 is one of tunic's own`}},
		{"own sockets",
			map[string]string{photos: "[ports]\n1 = \"unix:$ROOT/run/tunic/api.sock\"\n2 = \"unix:$ROOT/alias/tunic/tor/control\"\n" +
				"3 = \"unix:$ROOT/run/tunic2/x\"\n"},
			[]string{`onions/photos.toml:2: ports.1: $ROOT/run/tunic/api.sock is tunic's own: it would let every visitor control the box`,
				`onions/photos.toml:3: ports.2: $ROOT/alias/tunic/tor/control is tunic's own: it would let every visitor control the box`}},
		{"endpoint not set up", map[string]string{photos: "[ports]\n70 = \"endpoint:gopher\"\n71 = \"endpoint:gofer\"\n"},
			[]string{`onions/photos.toml:2: ports.70: the endpoint "gopher" is not set up`,
				`onions/photos.toml:3: ports.71: tunic has no endpoint called "gofer"`}},
		{"endpoint set up badly", map[string]string{home: "[ports]\n70 = \"endpoint:gopher\"\n", "endpoints/gopher.toml": ""},
			[]string{`endpoints/gopher.toml: root: missing`}},

		{"relative root", map[string]string{"endpoints/gopher.toml": "root = \"srv\"\n"},
			[]string{`endpoints/gopher.toml:1: root: "srv" does not begin with /`}},
		{"root is a file", map[string]string{"endpoints/gopher.toml": "root = \"$ROOT/etc/tunic/tunic.toml\"\n"},
			[]string{`endpoints/gopher.toml:1: root: tunic.toml is not a directory`}},
		{"root is everything", map[string]string{"endpoints/gopher.toml": "root = \"/\"\n"},
			[]string{`endpoints/gopher.toml:1: root: / would show visitors tunic's own files in $ROOT/etc/tunic`}},
		{"root is the configuration", map[string]string{"endpoints/gopher.toml": "root = \"$ROOT/etc/tunic/onions/..\"\n", home: ""},
			[]string{`endpoints/gopher.toml:1: root: onions/.. would show visitors tunic's own files in $ROOT/etc/tunic`}},
		{"root is around the keys", map[string]string{"endpoints/gopher.toml": "root = \"$ROOT/var\"\n"},
			[]string{`endpoints/gopher.toml:1: root: $ROOT/var would show visitors tunic's own files in $ROOT/var/lib/tunic`}},
		{"chat", map[string]string{"endpoints/xmpp.toml": "server = \"endpoint:irc\"\n",
			"endpoints/irc.toml": "motd = \"a\\u0007b\"\n[[channel]]\nname = \"home\"\n[[channel]]\nname = \"#a\"\n[[channel]]\n" +
				"name = \"#a\"\n[[channel]]\ntopic = \"x\"\n",
			photos: "[ports]\n6667 = \"endpoint:irc\"\n"},
			[]string{`endpoints/irc.toml:1: motd: it is at most 100 lines of 300 bytes, without control characters`,
				`endpoints/irc.toml:3: channel[0].name: "home" is no name of a channel`,
				`endpoints/irc.toml:7: channel[2].name: "#a" is there twice`,
				`endpoints/irc.toml:8: channel[3].name: missing`,
				`endpoints/xmpp.toml:1: server: the server of an endpoint is another program`,
				`onions/photos.toml:2: ports.6667: the endpoint "irc" is at home alone, by itself`}},
		{"server of an endpoint",
			map[string]string{"endpoints/smtp.toml": "server = \"127.0.0.1:9394\"\nquota = 5\n", "endpoints/gopher.toml": "server = 5\n"},
			[]string{`endpoints/gopher.toml:1: server: must be text in quotes, not a number`,
				`endpoints/smtp.toml:1: server: port 9394 is one of tunic's own`, `endpoints/smtp.toml:2: quota: unknown key`}},
		{"key of another endpoint", map[string]string{"endpoints/gopher.toml": "root = \"$ROOT/srv\"\nquota = 5\n"},
			[]string{`endpoints/gopher.toml:2: quota: unknown key`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newBox(t, tt.files)
			for _, dir := range []string{"run", "var"} {
				if err := os.Mkdir(filepath.Join(p.Root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("run", filepath.Join(p.Root, "alias")); err != nil {
				t.Fatal(err)
			}
			_, err := Load(p)
			if got := mistakes(p, err); !slices.Equal(got, tt.want) {
				t.Errorf("Load:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
