//go:build machines

package machines

import (
	"net/netip"
	"path/filepath"
	"strings"

	"tunic/gateway/accesspoint"
)

// radioFiles has the programs of each Debian read what `tunic setup --access-point`
// writes, as far as they can without a radio. hostapd has no such test.
func (w *world) radioFiles() {
	r := accesspoint.Radio{Interface: "wlan0", Country: "DE", SSID: "my \"home\"", Password: `a#b\c;d"e=f g`,
		Network: netip.MustParsePrefix("192.168.87.1/24")}
	for _, f := range append(r.NetworkManager(), r.Files()...) {
		w.write(filepath.Join("root/radio", f.Path), f.Text)
	}
	w.must(box, "dnsmasq", "--test", "--conf-file=/root/radio/etc/tunic-household.dnsmasq")
	if r := w.exec(box, "sh", "-c", "echo nonsense=1 >/root/radio/bad; dnsmasq --test --conf-file=/root/radio/bad"); r.Code == 0 {
		w.Error("dnsmasq takes everything")
	}
	profile := "/root/radio/etc/NetworkManager/system-connections/" + accesspoint.Profile + ".nmconnection"
	read := w.shell("nmcli --offline connection modify connection.autoconnect yes <" + profile)
	for _, want := range []string{"mode=ap", "ssid=my \"home\"", "key-mgmt=wpa-psk", `psk=a#b\\c;d"e=f g`, "address1=192.168.87.1/24",
		"method=manual"} {
		if !strings.Contains(read, want) {
			w.Errorf("NetworkManager has read no %s:\n%s", want, read)
		}
	}
	w.must(box, "systemd-analyze", "verify", "/root/radio/etc/systemd/system/"+accesspoint.DHCP)
	w.must(box, "rm", "-r", "/root/radio")
}
