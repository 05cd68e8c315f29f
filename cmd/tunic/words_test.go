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
	say := func() string {
		var out bytes.Buffer
		a := &app{out: &out, err: &out, env: func(string) string { return "" }}
		execute(t.Context(), a, []string{"--root", root, "status"})
		return out.String()
	}
	if said := say(); !strings.Contains(said, "systemctl start tunic") {
		t.Errorf("on Debian it says %q", said)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/openwrt_release"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := say(); !strings.Contains(said, "`service tunic start`") || strings.Contains(said, "systemctl") {
		t.Errorf("on OpenWrt it says %q", said)
	}
}
