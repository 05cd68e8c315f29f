package config

import "testing"

func TestExceptions(t *testing.T) {
	for text, want := range map[string]string{
		"udp://203.0.113.9:51820":     "",
		"tcp://[2001:db8::1]:443":     "",
		"UDP://[2001:db8:1::/48]:500": "udp://[2001:db8:1::/48]:500",
		"udp://198.51.100.0/24:500":   "",
		"50://198.51.100.7/32":        "esp://198.51.100.7",
		"esp://2001:db8::7":           "",
		"vrrp://224.0.0.18":           "",
		"99://192.0.2.1":              "",
	} {
		if want == "" {
			want = text
		}
		c, err := Load(newBox(t, map[string]string{"tunic.toml": okMain + "[gateway]\nexceptions = [\"" + text + "\"]\n"}))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := c.Gateway.Exceptions[0]
		if got.String() != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
		if again, p := parseException(want); p != nil || again != got {
			t.Errorf("%q is read back as %v, %v", want, again, p)
		}
	}
}
