package relaytime

import (
	"errors"
	"testing"
)

const (
	lab     = "DirAuthority auth1 orport=9001 203.0.113.1:9030 5D8251FDCA063A3B39241C14F1271F60A4E6DBE3\n"
	vanilla = "Bridge 203.0.113.20:443 5D8251FDCA063A3B39241C14F1271F60A4E6DBE3\n"
	obfs4   = "Bridge obfs4 203.0.113.21:443 5D8251FDCA063A3B39241C14F1271F60A4E6DBE3 cert=x iat-mode=0\n"
)

// Nobody is asked with whom tor would not speak.
func TestWays(t *testing.T) {
	for name, c := range map[string]struct {
		torrc, first string
		count        int
	}{
		"the public network":       {"DataDirectory /x\n", "moria1", 9},
		"a network of its own":     {lab, "auth1", 1},
		"a bridge":                 {lab + "UseBridges 1\n" + vanilla + obfs4, "a bridge", 1},
		"a bridge that is added":   {lab + " +" + vanilla, "a bridge", 1},
		"bridges not in use":       {lab + "UseBridges 0\n", "auth1", 1},
		"a bridge, but no switch":  {lab + "bridge 203.0.113.20:443 $5D8251FDCA063A3B39241C14F1271F60A4E6DBE3\n", "a bridge", 1},
		"lines that say something": {"#Bridge x\nBridgeX y\n" + lab, "auth1", 1},
	} {
		got, err := Ways(c.torrc)
		if err != nil || len(got) != c.count || got[0].Name != c.first {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, torrc := range []string{lab + "UseBridges 1\n" + obfs4, "UseBridges 1\n", lab + "Bridge 203.0.113.20:443\n",
		lab + "UseBridges auto\n"} {
		if got, err := Ways(torrc); !errors.Is(err, ErrBridges) {
			t.Errorf("%q: %+v, %v", torrc, got, err)
		}
	}
	if _, err := Ways("DirAuthority a orport=1\n"); err == nil {
		t.Error("an authority that cannot be read is left out")
	}
}
