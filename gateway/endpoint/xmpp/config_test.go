package xmpp

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file")

func TestGolden(t *testing.T) {
	key := "b2rjtnpx6bk2v5cwmdyvrtvxcypkqjpyfcvlkg7yhuslwpamaoxz7gqd"
	friend := "cz2o6ocngwtbhqzsxpdb5qxxsxqvskvf6ymtpx7pzgw3d4ffm6xjvyqd"
	c := Config{
		Host: key + ".peer.home.arpa", Data: "/var/lib/tunic/xmpp", Modules: "/run/tunic/xmpp/modules",
		PIDFile:   "/run/tunic/xmpp/prosody.pid",
		Interface: "127.0.0.1", ClientPort: 5222, ServerPort: 5269, FilesPort: 5280, PublicFilesPort: 5281, SOCKSPort: 9250,
		Certificate: "/run/tunic/xmpp/cert.pem", Key: "/run/tunic/xmpp/key.pem", Admins: []string{"alice"},
		Peers: []Peer{{Host: friend + ".peer.home.arpa", Onion: friend + ".onion", Came: "2026-11-28T20:00:00Z"}},
	}
	for golden, newest := range map[string]bool{"testdata/prosody-0.12.cfg.lua": false, "testdata/prosody-13.cfg.lua": true} {
		got := Render(c, newest)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != got {
			t.Errorf("%v; the configuration is\n%s", err, got)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		`plain`:          `"plain"`,
		`a"b\c`:          `"a\"b\\c"`,
		"x\n} os.exit()": `"x\u{a}} os.exit()"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, not %s", in, got, want)
		}
	}
}
