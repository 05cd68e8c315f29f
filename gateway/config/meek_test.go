package config

import "testing"

// The lines of Tor Browser have no fingerprint, and lyrebird knows targets=.
func TestMeekWithoutFingerprint(t *testing.T) {
	for _, line := range []string{
		"meek_lite 192.0.2.20:80 url=https://cdn.example front=www.example.net utls=HelloRandomizedALPN",
		"meek_lite 192.0.2.20:80 targets=https://cdn.example|www.example.net+www.example.org",
	} {
		b, p := parseBridge(line)
		if p != nil || b.Line() != line || b.Host() != "cdn.example" {
			t.Errorf("%v: %q, dials %q", p, b.Line(), b.Host())
		}
	}
	for _, line := range []string{
		"meek_lite 192.0.2.20:80 front=www.example.net",
		"obfs4 192.0.2.20:80 cert=x",
		"192.0.2.20:80 url=https://cdn.example",
	} {
		if _, p := parseBridge(line); p == nil {
			t.Errorf("%q is taken", line)
		}
	}
}
