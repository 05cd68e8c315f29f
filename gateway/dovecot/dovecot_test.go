package dovecot

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tunic/gateway/account"
	"tunic/gateway/managed"
)

var update = flag.Bool("update", false, "write the golden files")

func settings() Settings {
	return Settings{
		Dir: "/run/tunic/dovecot", Mail: "/var/lib/tunic/mail", User: "tunic-mail", UID: 120, GID: 121,
		Listen: netip.MustParseAddrPort("127.0.0.1:9394"), Quota: 2_000_000_000,
		Users: []account.User{{Name: "bob", Role: account.Admin, Record: account.Record{Iterations: 4096, Salt: "SALT"}},
			{Name: "gus", Role: account.Guest}},
	}
}

func TestSpec(t *testing.T) {
	s := settings().Spec()
	if !reflect.DeepEqual(s, settings().Spec()) {
		t.Error("the same settings give two specs")
	}
	main := s.Files[0]
	for dialect, text := range map[string]string{"2.3": main.Text, main.Newer[0].From: main.Newer[0].Text} {
		golden := filepath.Join("testdata", "dovecot-"+dialect+".conf")
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("the configuration for %s is\n%s\nwant\n%s", dialect, text, want)
		}
	}
	if f := s.Files[1]; !strings.HasPrefix(f.Text, "bob:{SCRAM-SHA-256}4096,") || strings.Contains(f.Text, "gus") ||
		f.Change != managed.Reread || !f.Logins {
		t.Errorf("the passwd-file is %+v", f)
	}
}

func TestNoQuota(t *testing.T) {
	s := settings()
	s.Quota = 0
	main := s.Spec().Files[0]
	for _, text := range []string{main.Text, main.Newer[0].Text} {
		if strings.Contains(text, "quota") {
			t.Errorf("without a quota there is\n%s", text)
		}
	}
}
