//go:build machines

package machines

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
	"tunic/internal/lab"
)

// profile is a connection of NetworkManager's (nm-settings-keyfile(5)).
func profile(name, device string, i lab.Interface, n lab.Node) string {
	lines := map[string][]string{"ipv4": {"method=manual"}, "ipv6": {"method=manual"}}
	family := func(a netip.Addr) string {
		if a.Is4() {
			return "ipv4"
		}
		return "ipv6"
	}
	for at, a := range i.Addrs {
		f := family(a.Addr())
		lines[f] = append(lines[f], fmt.Sprintf("address%d=%s", at+1, a))
	}
	for _, a := range n.Default {
		lines[family(a)] = append(lines[family(a)], "gateway="+a.String())
	}
	if n.Resolver.IsValid() {
		lines["ipv4"] = append(lines["ipv4"], "dns="+n.Resolver.String())
	}
	return fmt.Sprintf("[connection]\nid=%s\ntype=ethernet\ninterface-name=%s\n\n[ipv4]\n%s\n\n[ipv6]\n%s\n",
		name, device, strings.Join(lines["ipv4"], "\n"), strings.Join(lines["ipv6"], "\n"))
}

// networkManager has Debian's other program take both interfaces over for a
// boot, and does with it what people and desktops do.
func networkManager(w *world) {
	n, err := w.lab.Plan().Node(box)
	if err != nil {
		w.Fatal(err)
	}
	const profiles = "etc/NetworkManager/system-connections/"
	w.write(profiles+"uplink.nmconnection", profile("uplink", lab.MachineUplink, n.Uplink, n))
	w.write(profiles+"home.nmconnection", profile("home", lab.MachineLAN, n.LAN, lab.Node{}))
	w.shell("chmod 600 /" + profiles + "*")
	w.managedBy("NetworkManager", "systemd-networkd")
	if out := w.must(box, "nmcli", "-t", "-f", "NAME,DEVICE", "connection", "show", "--active"); !strings.Contains(out, "uplink:wan0") ||
		!strings.Contains(out, "home:lan0") {
		w.Fatalf("NetworkManager has not taken the interfaces over: %s", out)
	}
	w.managed()
	w.must(box, "nmcli", "connection", "modify", "home", "ipv4.method", "shared")
	w.must(box, "nmcli", "connection", "up", "home")
	w.hotspot()
	w.managed()
	w.hotspot()
	w.sharedWithoutRules()
	w.must(box, "nmcli", "connection", "modify", "home", "ipv4.method", "manual")
	w.must(box, "nmcli", "connection", "up", "home")
	w.stands()
	w.managedBy("systemd-networkd", "NetworkManager")
}

// managedBy has one program configure the network instead of the other, from a
// new boot on.
func (w *world) managedBy(program, other string) {
	w.Helper()
	w.must(box, "systemctl", "--quiet", "disable", other)
	w.must(box, "systemctl", "--quiet", "enable", program)
	w.powerOff()
	w.boot()
	w.booted()
	w.stands()
}

// managed restarts NetworkManager, and takes each interface down and up.
func (w *world) managed() {
	w.Helper()
	w.must(box, "systemctl", "restart", "NetworkManager")
	w.stands()
	for _, name := range []string{"home", "uplink"} {
		w.must(box, "nmcli", "connection", "down", name)
		w.closed()
		w.must(box, "nmcli", "connection", "up", name)
		w.stands()
	}
	w.booted()
}

// wrong are findings that say that the box cannot hold its place in the network.
var wrong = []health.Code{health.RulesFailed, health.RulesMixed, health.RulesDrift, health.Lockdown, health.InterfaceMissing,
	health.HouseholdUplink,
	health.HouseholdRoute, health.InterfaceDown, health.NoUplink, health.OtherFirewall, health.OtherRouter, health.AddressShared}

// stands checks that a device has the web by Tor and names from the box, that
// the second wall is there, and that tunic finds nothing wrong.
func (w *world) stands() {
	w.Helper()
	w.standsBut()
}

// standsBut is stands where these findings are right.
func (w *world) standsBut(right ...health.Code) {
	w.Helper()
	w.protected()
	asked := w.status().Household.Served.Questions
	w.eventually("a name is found", protectedLimit, func() bool {
		return w.exec("phone", "curl", "-sS", "-m", "15", "http://web.example/ip").Code == 0
	})
	if w.status().Household.Served.Questions == asked {
		w.Error("somebody other than the box has found the name")
	}
	w.walled()
	for _, f := range w.status().Findings {
		if slices.Contains(wrong, f.Code) && !slices.Contains(right, f.Code) {
			w.Errorf("tunic finds %s: %s", f.Code, f.Text)
		}
	}
}

// walled checks the second wall at the kernel.
func (w *world) walled() {
	w.Helper()
	for _, family := range []string{"-4", "-6"} {
		if rules := w.must(box, "ip", family, "rule"); strings.Count(rules, "proto 116") != 6 {
			w.Errorf("the second wall is not whole:\n%s", rules)
		}
	}
}

// hotspot checks that NetworkManager shares the connection with the household, as
// it does with a hotspot's guests, and that the household does not notice.
func (w *world) hotspot() {
	w.Helper()
	if rules := w.must(box, "nft", "list", "ruleset"); !strings.Contains(rules, "nm-shared-"+lab.MachineLAN) ||
		!strings.Contains(rules, "masquerade") {
		w.Errorf("NetworkManager shares nothing:\n%s", rules)
	}
	w.eventually("a guest is offered an address", protectedLimit, func() bool { return w.offered().IsValid() })
	w.stands()
}

// offered is the address that a device is offered by DHCP, which it does not take
// (RFC 2131; the magic and the message's type: RFC 2132).
func (w *world) offered() netip.Addr {
	w.Helper()
	discover := make([]byte, 300)
	copy(discover, []byte{1, 1, 6, 0, 't', 'u', 'n', 'i'})
	discover[10] = 0x80 // answer by broadcast: nobody here has an address yet
	copy(discover[28:], []byte{2, 0, 0, 0xa, 0, 0x99})
	copy(discover[236:], []byte{99, 130, 83, 99, 53, 1, 1, 255})
	const ask = `echo "$0" | base64 -d | socat -t 3 - UDP4-DATAGRAM:255.255.255.255:67,bind=0.0.0.0:68,broadcast,so-bindtodevice=eth0 | ` +
		`base64 -w 0`
	answer, _ := base64.StdEncoding.DecodeString(w.exec("laptop", "sh", "-c", ask, base64.StdEncoding.EncodeToString(discover)).Stdout)
	if len(answer) < 240 || answer[0] != 2 || string(answer[4:8]) != "tuni" {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(answer[16:20]))
}

// sharedWithoutRules: of tunic's only the second wall is there while the
// connection is shared, and nobody who would build it again.
func (w *world) sharedWithoutRules() {
	w.Helper()
	w.must(box, "systemctl", "stop", "tunic")
	w.closed()
	w.must(box, "systemctl", "restart", "nftables") // takes NetworkManager's rules too
	w.must(box, "systemctl", "restart", "NetworkManager")
	w.must(box, "nmcli", "connection", "up", "home")
	w.walled()
	w.closed()
	time.Sleep(2 * time.Second) // in which the phone sends
	w.must(box, "systemctl", "start", "tunic")
	w.hotspot()
}

const besideConfig = `[household]
interfaces = ["lan0"]
one-arm = true
`

// installBeside: the box has one cable, beside the router of the household, whose
// devices use the box all the same.
func installBeside(w *world) {
	w.powerOff()
	if err := w.lab.SetBeside(w.ctx, box, true); err != nil {
		w.Fatal(err)
	}
	if err := w.m.Reconfigure(w.ctx); err != nil {
		w.Fatal(err)
	}
	w.boot()
	w.eventually("the web is reached past Tor", bootedLimit, func() bool {
		return strings.TrimSpace(w.exec("phone", "curl", "-sS", "-m", "5", whoAmI).Stdout) == "192.168.77.10"
	})
	// A plain router on one cable tells the phone of the other router by ICMP
	// redirects (RFC 792), which Linux believes for five minutes.
	w.must("phone", "ip", "route", "flush", "cache")
	w.installed(besideConfig)
	w.stands()
}

// beside has happen to a box with one cable what happens to others.
func beside(w *world) {
	reboot(w)
	w.restarted("nftables")
	w.restarted("systemd-networkd")
	stop(w)
	start(w)
	powerCut(w)
	w.stands()
}
