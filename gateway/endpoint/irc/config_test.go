package irc

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file")

func TestGolden(t *testing.T) {
	got := Render(Config{Listen: "127.0.0.1", Port: 9267, User: "tunic-irc",
		PIDFile: "/run/tunic/irc/pid", Empty: "/run/tunic/irc/empty", CloakSalt: "salt", OperatorSecret: "secret",
		Admins:   []Admin{{"ann", "another"}},
		Channels: []Channel{{"#home", "the kitchen table"}}})
	const golden = "testdata/ngircd.conf"
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
