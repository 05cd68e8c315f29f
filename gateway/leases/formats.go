package leases

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parseDnsmasq reads lines "EXPIRY MAC ADDRESS NAME CLIENT-ID" (dnsmasq(8),
// --dhcp-leasefile). The hardware address may have a type before it
// ("06-02:00:..."). Lines that are something else, such as those of DHCPv6,
// which have no hardware address, are left out.
func parseDnsmasq(r io.Reader, _ time.Time) ([]Lease, error) {
	var list []Lease
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			continue
		}
		hardware := words[1]
		if kind, rest, ok := strings.Cut(hardware, "-"); ok && len(kind) == 2 {
			hardware = rest
		}
		if l, ok := lease(hardware, words[2], words[3]); ok {
			list = append(list, l)
		}
	}
	return list, lineError(lines)
}

func lineError(lines *bufio.Scanner) error {
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading a line: %w", err)
	}
	return nil
}

// ledger are leases of which later ones replace earlier ones of an address.
type ledger []Lease

// set enters a lease, or takes out what its address has if it is over.
func (l *ledger) set(lease Lease, over bool) {
	*l = slices.DeleteFunc(*l, func(old Lease) bool { return old.Addr == lease.Addr })
	if !over {
		*l = append(*l, lease)
	}
}

// parseKea reads comma-separated values with a line that names the columns
// (Kea's memfile). A later line replaces earlier ones of the same address; state
// 0 is a lease that holds, and commas in a value are written "&#x2c".
func parseKea(r io.Reader, now time.Time) ([]Lease, error) {
	var list ledger
	columns := make(map[string]int)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Split(lines.Text(), ",")
		if words[0] == "address" {
			clear(columns)
			for i, name := range words {
				columns[name] = i
			}
			continue
		}
		value := func(column string) string {
			if i, ok := columns[column]; ok && i < len(words) {
				return words[i]
			}
			return ""
		}
		expire, err := strconv.ParseInt(value("expire"), 10, 64)
		if l, ok := lease(value("hwaddr"), value("address"), value("hostname")); ok {
			list.set(l, err != nil || time.Unix(expire, 0).Before(now) || value("state") != "0" || value("valid_lifetime") == "0")
		}
	}
	return list, lineError(lines)
}

// parseDhcpd reads blocks "lease ADDRESS {" with statements that end in ";"
// (dhcpd.leases(5)). A later block replaces earlier ones of the same address.
// Times are UTC.
func parseDhcpd(r io.Reader, now time.Time) ([]Lease, error) {
	var list ledger
	var address, hardware, name string
	over := true
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		words := strings.Fields(strings.TrimSuffix(text, ";"))
		switch {
		case len(words) == 3 && words[0] == "lease" && words[2] == "{":
			address, hardware, name, over = words[1], "", "", false
		case len(words) == 3 && words[0] == "hardware" && words[1] == "ethernet":
			hardware = words[2]
		case len(words) == 2 && words[0] == "client-hostname":
			name = strings.Trim(words[1], `"`)
		case len(words) == 3 && words[0] == "binding" && words[1] == "state":
			over = over || words[2] != "active"
		case len(words) == 4 && words[0] == "ends":
			end, err := time.Parse("2006/01/02 15:04:05", words[2]+" "+words[3])
			over = over || err != nil || end.Before(now)
		case text == "}":
			if l, ok := lease(hardware, address, name); ok {
				list.set(l, over)
			}
			address = ""
		}
	}
	return list, lineError(lines)
}

// parseOdhcpd reads lines "# INTERFACE HARDWARE ipv4 NAME EXPIRY HEX 32
// ADDRESS/32" (odhcpd, statefiles.c); the other lines are those of a hosts file
// and of DHCPv6. An expiry of -1 is none; names that two devices use have
// "broken\x20" before them.
func parseOdhcpd(r io.Reader, now time.Time) ([]Lease, error) {
	var list ledger
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 9 || words[0] != "#" || words[3] != "ipv4" {
			continue
		}
		mac, err := hex.DecodeString(words[2])
		end, endErr := strconv.ParseInt(words[5], 10, 64)
		prefix, prefixErr := netip.ParsePrefix(words[8])
		if err != nil || endErr != nil || prefixErr != nil {
			continue
		}
		if l, ok := lease(net.HardwareAddr(mac).String(), prefix.Addr().String(), words[4]); ok {
			list.set(l, end >= 0 && time.Unix(end, 0).Before(now))
		}
	}
	return list, lineError(lines)
}
