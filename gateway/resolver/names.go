package resolver

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// zoneOf looks the name and its parents up in table, longest first. Names are
// cut at real label borders: in "a\.lan." there is no zone "lan.".
func zoneOf[V any](table map[string]V, name string) (V, bool) {
	for _, at := range dns.Split(name) {
		if v, ok := table[name[at:]]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

// inZone reports whether name is zone or lies below it.
func inZone(name, zone string) bool {
	_, ok := zoneOf(map[string]bool{zone: true}, name)
	return ok
}

// hostName reports whether the canonical name can be that of a host on the
// internet: several labels of letters, digits, hyphens and (seen in practice)
// underscores, the last one not a number. What looks like an address written
// as a name is none.
func hostName(name string) bool {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	if len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

// reverseAddr returns the address that a canonical reverse name stands for
// (RFC 1035, section 3.5; RFC 3596, section 2.5). Names of parts of an address
// and names below one, as service discovery uses them, stand for none.
func reverseAddr(name string) (netip.Addr, bool) {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		return reverse4(strings.Split(digits, "."))
	}
	if digits, ok := strings.CutSuffix(name, ".ip6.arpa."); ok {
		return reverse6(strings.Split(digits, "."))
	}
	return netip.Addr{}, false
}

func reverse4(labels []string) (netip.Addr, bool) {
	var b [4]byte
	if len(labels) != len(b) {
		return netip.Addr{}, false
	}
	for i, l := range labels {
		n, err := strconv.ParseUint(l, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != l {
			return netip.Addr{}, false
		}
		b[len(b)-1-i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}

func reverse6(labels []string) (netip.Addr, bool) {
	var b [16]byte
	if len(labels) != 2*len(b) {
		return netip.Addr{}, false
	}
	for i, l := range labels {
		n, err := strconv.ParseUint(l, 16, 4)
		if err != nil || len(l) != 1 {
			return netip.Addr{}, false
		}
		b[len(b)-1-i/2] |= byte(n) << (4 * (i % 2))
	}
	return netip.AddrFrom16(b), true
}
