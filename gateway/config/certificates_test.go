package config

import (
	"strings"
	"testing"
)

func TestCertificates(t *testing.T) {
	const ports = "\n[ports]\n80 = '192.168.77.20:80'\n"
	for _, tc := range []struct{ dir, want string }{
		{"/srv/tls", ""},
		{"$ROOT/etc/tunic", "is one of tunic's own directories"},
		{"$ROOT/etc/tunic/tls", "is one of tunic's own directories"},
		{"$ROOT/var/lib/tunic/ca", "is one of tunic's own directories"},
		{"$ROOT/run/tunic", "is one of tunic's own directories"},
		{"/srv/films", "certificates: /srv/films is already for the certificates of films"},
	} {
		p := newBox(t, map[string]string{"onions/films.toml": "certificates = '/srv/films'" + ports,
			"onions/photos.toml": "certificates = '" + tc.dir + "'" + ports})
		c, err := Load(p)
		got := strings.Join(mistakes(p, err), "\n")
		if !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s:\n%s\nwant\n%s", tc.dir, got, tc.want)
		}
		if tc.want == "" && c.Onions[1].Certificates != tc.dir {
			t.Errorf("loaded %+v", c.Onions[1])
		}
	}
}
