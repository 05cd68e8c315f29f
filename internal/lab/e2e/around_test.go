//go:build lab

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
	"tunic/internal/proc"
)

// testAround is about what no rule can hold: it is found and told.
func testAround(w *world) {
	w.run("another router on the wire", otherRouter)
	w.run("a device with the hardware address of another", sharedAddress)
	w.run("services in clear", clearServices)
	w.run("nothing is announced", announcements)
	w.run("nobody can write packets past the rules", packetSockets)
}

// finds waits for a finding whose text has all the words.
func (w *world) finds(code health.Code, words ...string) {
	w.Helper()
	w.findsWhile(code, func() {}, words...)
}

// findLimit is more than the time between two looks at what nothing announces.
const findLimit = 50 * time.Second

// findsWhile does something again before each look.
func (w *world) findsWhile(code health.Code, do func(), words ...string) {
	w.Helper()
	found, last := false, []health.Finding(nil)
	defer func() {
		if !found {
			w.Logf("the last findings: %+v", last)
		}
	}()
	took := w.eventually(fmt.Sprintf("status finds %s with %q", code, words), findLimit, func() bool {
		do()
		w.pause(200 * time.Millisecond)
		last = w.status().Findings
		found = slices.ContainsFunc(last, func(f health.Finding) bool {
			return f.Code == code && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.Text, word) })
		})
		return found
	})
	w.timed("found: "+string(code), took)
}

const (
	laptop4   = "192.168.77.11"
	laptopMAC = "02:00:00:0a:00:11"
	phoneMAC  = "02:00:00:0a:00:10"
)

// otherRouter: a device that advertises itself as a router (L31) is named.
func otherRouter(w *world) {
	w.must("laptop", "ip", "addr", "add", "fe80::bad/64", "dev", "eth0", "nodad")
	defer w.must("laptop", "ip", "addr", "del", "fe80::bad/64", "dev", "eth0")
	message := append(append([]byte{134, 0, 0, 0, 64, 0, 7, 8}, make([]byte, 8)...), 1, 1, 2, 0, 0, 0x0a, 0, 0x11)
	// Only the box hears it: the other devices of the lab would believe it.
	p := traffic.Control(addr("fe80::bad"), addr(boxLink), traffic.ICMPv6, message)
	p.TTL = 255
	advertise := func() { // again and again: when the box asks where it is, the laptop's kernel answers that it is none
		if err := w.laptop.On("eth0").Send(p.Bytes()); err != nil {
			w.Fatal(err)
		}
	}
	w.findsWhile(health.OtherRouter, advertise, laptopMAC, "fe80::bad")
	w.must("gateway", "ip", "neigh", "del", "fe80::bad", "dev", "br-lan")
}

// sharedAddress: who takes the hardware address of a direct device goes direct
// too, as the documentation says (M14); status tells as soon as both speak.
func sharedAddress(w *world) {
	w.policy("laptop", config.PolicyDirect)
	w.must("phone", "ip", "link", "set", "eth0", "address", laptopMAC)
	defer func() {
		w.must("phone", "ip", "link", "set", "eth0", "address", phoneMAC)
		w.noPolicy("laptop")
		w.must("gateway", "ip", "neigh", "flush", "dev", "br-lan")
		w.exec("laptop", "ping", "-n", "-c", "1", "-W", "1", box4) // the bridge learns where it is
		w.exec("phone", "ping", "-n", "-c", "1", "-W", "1", box4)
		w.arrives()
	}()
	w.eventually("the phone goes direct with the laptop's address", 20*time.Second, func() bool {
		from, ok := w.curl("phone", 5, "http://"+web4+"/ip")
		return ok && from == wan4
	})
	w.findsWhile(health.AddressShared, func() { // both speak
		w.exec("laptop", "ping", "-n", "-c", "1", "-W", "1", box4)
		w.exec("phone", "ping", "-n", "-c", "1", "-W", "1", box4)
	}, "laptop", phone4, laptop4)
}

// clearServices: a port of mail in clear goes through Tor, and is told (L43).
func clearServices(w *world) {
	if err := w.phone.Connect(w.ctx, web4+":110"); err != nil {
		w.Fatal(err)
	}
	w.finds(health.CleartextPort, "110")
}

// announcements: from the first packet of the lab on the box has said nothing
// on its uplink by which somebody would know whose it is: no advertisement, no
// frame of another protocol, none from a device's hardware address, and its own
// address is as it was (L46).
func announcements(w *world) {
	n, err := w.lab.Plan().Node("gateway")
	if err != nil {
		w.Fatal(err)
	}
	for what, filter := range map[string]string{
		"router advertisements":  "ether src " + n.Uplink.MAC + " and icmp6 and ip6[40] == 134",
		"frames that are not IP": "ether src " + n.Uplink.MAC + " and not ip and not ip6 and not arp",
		"DHCP, mDNS, LLMNR and SSDP": "ether src " + n.Uplink.MAC +
			" and udp and (port 67 or port 68 or port 546 or port 547 or port 5353 or port 5355 or port 1900)",
		"frames of devices": "ether src " + phoneMAC + " or ether src " + laptopMAC + " or ether src " + n.LAN.MAC,
	} {
		lines, err := w.wan.Lines(w.ctx, lab.Mark{}, filter)
		if err != nil {
			w.Fatal(err)
		}
		if len(lines) > 0 {
			w.Errorf("%d %s on the uplink, the first: %s", len(lines), what, lines[0])
		}
	}
	if got := w.must("gateway", "cat", "/sys/class/net/wan/address"); got != n.Uplink.MAC {
		w.Errorf("the uplink's hardware address is %s, was %s", got, n.Uplink.MAC)
	}
}

// packetSockets: what parses the bytes of strangers could not write to the
// cable if it were taken over (M09): no capability, no packet socket.
func packetSockets(w *world) {
	for _, words := range [][]string{{"tunic", "serve"}, {"tor"}} {
		pids := w.pids(words...)
		if len(pids) != 1 {
			w.Fatalf("%d processes are %q", len(pids), words)
		}
		for _, set := range []string{"CapEff", "CapPrm", "CapAmb", "CapBnd"} {
			word, err := proc.Word(pids[0], "status", set)
			if err != nil {
				w.Fatal(err)
			}
			caps, err := strconv.ParseUint(word, 16, 64)
			if err != nil {
				w.Fatal(err)
			}
			if set != "CapBnd" && caps&(1<<unix.CAP_NET_RAW|1<<unix.CAP_NET_ADMIN) != 0 {
				w.Errorf("%q has %s %#x", words, set, caps)
			}
		}
	}
	if sockets := strings.Split(w.must("gateway", "cat", "/proc/net/packet"), "\n")[1:]; slices.ContainsFunc(sockets,
		func(line string) bool {
			fields := strings.Fields(line)
			return len(fields) > 7 && fields[7] != "0" // the user; root's are the lab's own captures
		}) {
		w.Errorf("somebody without rights has a packet socket: %q", sockets)
	}
}
