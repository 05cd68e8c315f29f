package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ofOpenWrt are commands that messages name, and what does the same on OpenWrt, in
// the order in which they are looked for.
var ofOpenWrt = strings.NewReplacer(
	"systemctl disable --now tor@default tor", "service tor disable; service tor stop",
	"systemctl status tunic-clock", "logread -e tunic",
	"systemctl start tunic-clock", "service tunic start",
	"systemctl start tunic", "service tunic start",
	"systemctl stop tunic", "service tunic stop",
	"systemctl restart tunic", "service tunic restart",
	"journalctl -u tunic", "logread -e tunic",
	"`tunic setup` makes it", "`uci set tunic.main.enabled=1 && uci commit tunic && service tunic start` makes it",
	`"tunic setup" asks a few questions and writes it`, `"service tunic start" makes it of /etc/config/tunic`,
)

// worded is where messages go, in words of the system that the box has. Each is
// written at once.
type worded struct {
	to io.Writer
	of *app
}

func (w worded) Write(p []byte) (int, error) {
	if _, err := os.Stat(filepath.Join("/", w.of.root, "etc/openwrt_release")); err != nil {
		return w.to.Write(p)
	}
	if _, err := io.WriteString(w.to, ofOpenWrt.Replace(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
