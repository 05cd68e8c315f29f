package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/config"
)

func TestBootstrapPercent(t *testing.T) {
	for _, c := range []struct {
		status string
		want   int
		ok     bool
	}{
		{`{"tor":{"bootstrap":55}}`, 55, true},
		{`{"Tor":{"Bootstrap":0}}`, 0, true},
		{`{"tor":{}}`, 0, false},
		{`{}`, 0, false},
		{``, 0, false},
		{`not JSON`, 0, false},
	} {
		if got, ok := bootstrapPercent([]byte(c.status)); got != c.want || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.status, got, ok, c.want, c.ok)
		}
	}
}

// The daemon must accept what the lab writes.
func TestRootIsAConfiguration(t *testing.T) {
	l := &Lab{plan: mustPlan(t, "x", 2), dir: t.TempDir()}
	if err := l.writeRoot("gateway", testAuthorities()); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.NewPaths(l.Root("gateway")))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Onions) != 1 || !c.Onions[0].Public || len(c.Onions[0].Ports) != 1 {
		t.Errorf("the onions are %+v", c.Onions)
	}
	text, err := os.ReadFile(filepath.Join(config.NewPaths(l.Root("gateway")).TorrcDir(), "lab.conf"))
	if err != nil || strings.Count(string(text), "DirAuthority ") != 3 {
		t.Errorf("lab.conf: %v\n%s", err, text)
	}
}
