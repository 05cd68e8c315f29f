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
	golden := filepath.Join("testdata", "dovecot.conf")
	if *update {
		if err := os.WriteFile(golden, []byte(s.Files[0].Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if s.Files[0].Text != string(want) {
		t.Errorf("the configuration is\n%s\nwant\n%s", s.Files[0].Text, want)
	}
	if f := s.Files[1]; !strings.HasPrefix(f.Text, "bob:{SCRAM-SHA-256}4096,") || strings.Contains(f.Text, "gus") || f.Change != managed.Reread {
		t.Errorf("the passwd-file is %+v", f)
	}
}

func TestNoQuota(t *testing.T) {
	s := settings()
	s.Quota = 0
	if text := s.Spec().Files[0].Text; strings.Contains(text, "quota") {
		t.Errorf("without a quota there is\n%s", text)
	}
}
