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
	end := len(table) == 0 || name == "" || name == "."
	for at := 0; !end; at, end = dns.NextLabel(name, at) {
		if v, ok := table[name[at:]]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

// inZone reports whether name is zone, which is not the root, or lies below it.
func inZone(name, zone string) bool {
	labels, ok := strings.CutSuffix(name, zone)
	if !ok || labels == "" {
		return ok
	}
	last := len(labels) - 1
	escapes := last - len(strings.TrimRight(labels[:last], `\`))
	return labels[last] == '.' && escapes%2 == 0
}

// hostName reports whether the canonical name can be that of a host on the
// internet: several labels of letters, digits, hyphens and (seen in practice)
// underscores, the last one not a number. What looks like an address written
// as a name is none.
func hostName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	before, last := "", name
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		before, last = name[:at], name[at+1:]
	}
	return hostLabels(before) && hostLabels(last) && !number(last) && !strings.HasPrefix(last, "0x")
}

// hostLabels reports whether all is labels of a host name, none of them empty.
func hostLabels(all string) bool {
	label := false // something of one has been seen
	for i := range len(all) {
		switch c := all[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			label = true
		case c == '.' && label:
			label = false
		default:
			return false
		}
	}
	return label
}

// number reports whether a label has nothing but digits.
func number(label string) bool { return strings.Trim(label, "0123456789") == "" }

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
