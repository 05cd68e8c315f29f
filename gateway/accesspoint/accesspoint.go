// Package accesspoint writes what makes a Wi-Fi access point of an interface: a profile
// of NetworkManager with addresses by hand, or the files of hostapd, and the server of
// addresses for whoever joins. It is text alone: nothing is started here, and nothing
// is shared: NetworkManager's own "shared" would let the household past Tor wherever
// tunic's rules are absent. There is no password by default.
package accesspoint

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Radio is an access point.
type Radio struct {
	Interface string
	Country   string       // two capital letters (ISO 3166-1), by which the kernel knows the channels
	SSID      string       // 1 to 32 bytes of UTF-8
	Password  string       // 8 to 63 printable characters of ASCII (IEEE 802.11, J.4.1)
	Network   netip.Prefix // the box's own address in it, of IPv4 and 24 bits
}

// File is a file of the system, below its root.
type File struct {
	Path string
	Text string
	Mode fs.FileMode
}

// CheckInterface says what is wrong with the name of an interface: it stands in the
// files, and in the name of a unit, where systemd takes a hyphen for a slash
// (systemd.unit(5)).
func CheckInterface(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.'
	}
	if name == "" || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%q cannot stand in the name of a unit: give the interface one of letters and digits (systemd.link(5))", name)
	}
	return nil
}

// CheckCountry says what is wrong with a country.
func CheckCountry(c string) error {
	if len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return errors.New("two capital letters, such as DE, FR or US: each country allows other channels")
	}
	return nil
}

// CheckSSID says what is wrong with the name of a network.
func CheckSSID(s string) error {
	switch {
	case s == "" || len(s) > 32:
		return errors.New("1 to 32 characters; letters beyond English ones count twice or more")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("letters, digits and signs only")
	}
	return nil
}

// CheckPassword says what is wrong with a password.
func CheckPassword(p string) error {
	switch {
	case len(p) < 8 || len(p) > 63:
		return errors.New("8 to 63 characters")
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("letters, digits and signs of the English keyboard only: programs write others in other ways")
	case p != strings.TrimSpace(p):
		return errors.New("no space at its beginning or end")
	}
	return nil
}

// Free is a network of 24 bits that none of the box's own overlaps, with the box's
// address in it. The invalid prefix is none.
func Free(taken []netip.Prefix) netip.Prefix {
	for third := byte(87); third < 255; third++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, third, 1}), 24)
		overlaps := false
		for _, t := range taken {
			overlaps = overlaps || t.IsValid() && t.Overlaps(p)
		}
		if !overlaps {
			return p
		}
	}
	return netip.Prefix{}
}

// Names of what tunic makes.
const (
	Profile = "tunic-household"              // NetworkManager's connection
	DHCP    = "tunic-household-dhcp.service" // systemd's unit
)

// Hostapd is Debian's unit for an access point on the interface.
func (r Radio) Hostapd() string { return "hostapd@" + r.Interface + ".service" }

// NetworkManager are the files where NetworkManager runs the interfaces.
func (r Radio) NetworkManager() []File {
	return append([]File{{"etc/NetworkManager/system-connections/" + Profile + ".nmconnection", r.keyfile(), 0o600},
		{"etc/modprobe.d/tunic-wifi.conf", "options cfg80211 ieee80211_regdom=" + r.Country + "\n", 0o644}}, r.dhcp()...)
}

// keyfile is a connection of NetworkManager's (nm-settings-keyfile(5)). WPA2 with
// AES alone; "wpa-psk" takes in WPA3 where wpa_supplicant can (nm-settings(5)).
func (r Radio) keyfile() string {
	return fmt.Sprintf(`[connection]
id=%s
type=wifi
interface-name=%s
autoconnect=true

[wifi]
mode=ap
band=bg
channel=%d
ssid=%s

[wifi-security]
key-mgmt=wpa-psk
proto=rsn;
pairwise=ccmp;
group=ccmp;
pmf=2
psk=%s

[ipv4]
method=manual
address1=%s

[ipv6]
method=disabled
`, Profile, r.Interface, channel, bytesOf(r.SSID), keyfileValue(r.Password), r.Network)
}

// bytesOf is a text as the numbers of its bytes, which no sign in it can upset.
func bytesOf(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%d;", c)
	}
	return b.String()
}

// keyfileValue escapes a value of one line (GKeyFile).
func keyfileValue(text string) string { return strings.ReplaceAll(text, `\`, `\\`) }

// channel is one that every country allows at 2.4 GHz.
const channel = 6

// Files are those where no NetworkManager runs: hostapd's, and a unit's addition
// that gives the interface its address.
func (r Radio) Files() []File {
	return append([]File{
		{"etc/hostapd/" + r.Interface + ".conf", r.hostapd(), 0o600},
		{"etc/systemd/system/" + r.Hostapd() + ".d/tunic.conf", fmt.Sprintf(`# Written by tunic setup --access-point.
[Service]
ExecStartPost=/bin/ip address replace %s dev %s
`, r.Network, r.Interface), 0o644}}, r.dhcp()...)
}

// hostapd is hostapd.conf(5): WPA3 (SAE) for devices that know it, with protected
// management frames, and WPA2 with AES for others.
func (r Radio) hostapd() string {
	return fmt.Sprintf(`# Written by tunic setup --access-point.
interface=%s
driver=nl80211
ssid2=%s
utf8_ssid=1
country_code=%s
ieee80211d=1
hw_mode=g
channel=%d
ieee80211n=1
wmm_enabled=1
auth_algs=1
wpa=2
wpa_key_mgmt=WPA-PSK SAE
rsn_pairwise=CCMP
ieee80211w=1
sae_require_mfp=1
wpa_passphrase=%s
`, r.Interface, hex.EncodeToString([]byte(r.SSID)), r.Country, channel, r.Password)
}

// dhcp are the files of the server of addresses: the box is the gateway, and
// answers names by tunic, so dnsmasq's own DNS is off (dnsmasq(8)).
func (r Radio) dhcp() []File {
	at := r.Network.Addr().As4()
	within := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{at[0], at[1], at[2], last}) }
	return []File{{"etc/tunic-household.dnsmasq", fmt.Sprintf(`# Written by tunic setup --access-point.
port=0
interface=%[1]s
except-interface=lo
bind-dynamic
dhcp-authoritative
dhcp-range=%[2]s,%[3]s,12h
dhcp-option=option:router,%[4]s
dhcp-option=option:dns-server,%[4]s
`, r.Interface, within(20), within(250), r.Network.Addr()), 0o644},
		{"etc/systemd/system/" + DHCP, `# Written by tunic setup --access-point.
[Unit]
Description=tunic: addresses for the household's Wi-Fi
After=network.target tunic-lockdown.service

[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/tunic-household.dnsmasq
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
`, 0o644}}
}
