//go:build lab

package netfilter

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tunic/rules"
)

// crowded is a house with so many devices that they are spread over buckets, and which of the
// rules for that are about devices that are in it: somebody has to miss them.
func crowded() setting {
	in := openHouse()
	in.Buckets = true
	for i := range 2 * rules.Listed {
		in.Devices = append(in.Devices, rules.Device{MAC: fmt.Sprintf("02:01:00:00:%02x:01", i), Policy: rules.Direct})
	}
	var shots []shot
	for _, of := range [][3]string{{"phone", "tor $phone"}, {"laptop", "internet $laptop/outside"}, {"tablet", "internet $tablet/outside"},
		{"tv", "refused"}} {
		shots = append(shots, tcp(of[0], "internet", 80, of[1]))
	}
	shots = append(shots, udp("laptop", "internet", 53, "internet $laptop/outside"), udp("tablet", "internet", 53, "dns $tablet"))
	tries := []string{"^TUNIC-AS-"}
	for _, name := range []string{"laptop", "tablet", "tv"} {
		tries = append(tries, "^TUNIC-DEVICE-. .*"+macOf(name), "-j "+bucketOf(in, macOf(name))+"$")
	}
	return setting{"open, many devices", newHouse, in, shots, strings.Join(tries, "|"), false}
}

// bucketOf is the chain in which a device stands.
func bucketOf(in rules.Input, mac string) string {
	set, err := rules.Compile(in)
	if err != nil {
		return err.Error()
	}
	table, _ := set.Table(rules.IPv4, "mangle")
	for _, c := range table.Chains {
		if strings.HasPrefix(c.Name, "TUNIC-DEVICE-") && strings.Contains(strings.Join(c.Rules, "\n"), mac) {
			return c.Name
		}
	}
	return "none"
}

// TestBuckets sends from hardware addresses of all buckets: the kernel computes what we do.
func TestBuckets(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			useBackend(t, backend)
			sendFromBuckets(t, newNetwork(t))
		})
	}
}

func sendFromBuckets(t *testing.T, n *network) {
	in := withDevices(2 * rules.Listed)
	n.far = n.internet.server(":80")
	tor := n.gateway.server(":9240")
	n.gateway.do(func() {
		if !n.kernel.Buckets(t.Context()) {
			t.Fatal("this kernel has no xt_bpf")
		}
	})
	seen := make(map[string]bool)
	var macs []string
	for i := 0; len(macs) < 16; i++ { // one of each
		mac := fmt.Sprintf("%02x:%02x:33:44:%02x:66", 4*i%256, 7*i%256, i%256)
		next := in
		next.Devices = append(slices.Clone(in.Devices), rules.Device{MAC: mac, Policy: rules.Direct})
		if chain := bucketOf(next, mac); !seen[chain] {
			seen[chain], macs, in = true, append(macs, mac), next
		}
	}
	set := compile(t, in)
	n.apply(set)
	for _, mac := range macs {
		n.phone.ip("link set eth0 address " + mac)
		n.gateway.run("ip neigh flush all")
		n.wants(mac+" direct", n.talk(n.phone, internet4+":80", "", n.far), gateway4)
		n.wants(mac+" direct, IPv6", n.talk(n.phone, "["+internet6+"]:80", phone6, n.far), phone6)
	}
	n.apply(without(set, []string{"^TUNIC-DEVICE .*-j " + regexp.QuoteMeta(bucketOf(in, macs[15])) + "$"}))
	n.wants("without the way to its bucket", n.talk(n.phone, internet4+":80", phone4, tor), phone4)
}
