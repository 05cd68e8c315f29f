package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWordsOfOpenWrt: nobody is told there to use what only systemd has.
func TestWordsOfOpenWrt(t *testing.T) {
	root := t.TempDir()
	say := func(verb string) string {
		var out bytes.Buffer
		a := &app{out: &out, err: &out, env: func(string) string { return "" }}
		execute(t.Context(), a, []string{"--root", root, verb})
		return out.String()
	}
	for verb, want := range map[string]string{"status": "`tunic setup` makes it", "check": `"tunic setup" asks`} {
		if said := say(verb); !strings.Contains(said, want) {
			t.Errorf("on a Debian that is not set up %s says %q", verb, said)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/openwrt_release"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"status", "check"} {
		if said := say(verb); !strings.Contains(said, "service tunic start") || strings.Contains(said, "tunic setup") {
			t.Errorf("on an OpenWrt that is not set up %s says %q", verb, said)
		}
	}
	writeConfig(t, root, "tunic.toml", "# empty\n")
	if said := say("status"); !strings.Contains(said, "`service tunic start`") || strings.Contains(said, "systemctl") {
		t.Errorf("on OpenWrt it says %q", said)
	}
}
