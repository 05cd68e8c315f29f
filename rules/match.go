package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// match reports whether a rule matches the packet, and returns the words from
// its "-j" or "-g" on. It reads the words that Compile writes.
func (w *walk) match(rule string) (matches bool, target []string, err error) {
	words := strings.Fields(rule)
	matches = true
	for len(words) > 0 {
		negated := words[0] == "!"
		if negated {
			words = words[1:]
		}
		if len(words) < 2 {
			return false, nil, fmt.Errorf("it ends in the middle")
		}
		if words[0] == "-j" || words[0] == "-g" {
			return matches, words, nil
		}
		values := 1
		switch words[0] {
		case "--tcp-flags":
			values = 2
		case "--bytecode": // in quotes
			values = 1 + slices.IndexFunc(words[1:], func(w string) bool { return strings.HasSuffix(w, `"`) })
		case "--connlimit-saddr", "--socket-exists":
			values = 0
		}
		if len(words) < 1+values {
			return false, nil, fmt.Errorf("it ends in the middle")
		}
		ok, err := w.is(words[0], words[1:1+values])
		if err != nil {
			return false, nil, err
		}
		matches = matches && ok != negated
		words = words[1+values:]
	}
	return false, nil, fmt.Errorf("it has no target")
}

// is reports whether one condition is true of the packet.
func (w *walk) is(option string, values []string) (bool, error) {
	switch option {
	case "-m", "--connlimit-saddr", "--connlimit-mask": // a module is known by its options
		return true, nil
	case "--connlimit-above":
		return false, nil // a person asks about one connection
	case "--socket-exists":
		return w.Flow.Own(), nil // that of who dials
	}
	value := values[0]
	switch option {
	case "-i":
		return value == w.In, nil
	case "-o":
		return value == w.Out, nil
	case "--src-group":
		return w.In != "", nil
	case "--dst-group":
		return w.Out != "" && w.Out != "lo", nil
	case "-p":
		return value == w.Protocol, nil
	case "-s":
		return within(value, w.From)
	case "-d":
		return within(value, w.Flow.To.Addr())
	case "--mac-source":
		return value == w.MAC, nil
	case "--bytecode":
		return bucket(bucketOf(w.MAC)) == "-m bpf --bytecode "+strings.Join(values, " "), nil
	case "--mark": // the packet's own mark is asked for only where a connection is open: SentMark is in no policy's
		mark, mask, err := parseMark(value)
		return w.mark&mask == mark, err
	case "--uid-owner":
		uid, err := strconv.ParseUint(value, 10, 32)
		return w.Flow.Own() && uint32(uid) == w.UID, err
	case "--dst-type":
		return value == "LOCAL" && w.Local, nil
	case "--src-type":
		return value == "LOCAL" && w.Flow.Own(), nil
	case "--ctstate":
		return w.state(strings.Split(value, ",")), nil
	case "--ctdir":
		return value == "ORIGINAL", nil
	}
	return w.isTransport(option, values)
}

// isTransport is for conditions on what IP carries.
func (w *walk) isTransport(option string, values []string) (bool, error) {
	switch option {
	case "--dport":
		port, err := parsePort(values[0])
		return port == w.Flow.To.Port(), err
	case "--sport":
		_, err := parsePort(values[0])
		return false, err // programs choose high ones; those of DHCP are no flow of a person's
	case "--tcp-flags":
		return values[1] == "SYN" && values[0] != "SYN", nil // a first packet has SYN alone
	case "--icmp-type":
		return values[0] == "8", nil // ping (RFC 792)
	case "--icmpv6-type":
		return values[0] == "128", nil // ping (RFC 4443)
	}
	return false, fmt.Errorf("unknown condition %s", option)
}

// state is that of a first packet: new, and once its destination has changed
// also that.
func (w *walk) state(wanted []string) bool {
	return slices.Contains(wanted, "NEW") || w.nat && slices.Contains(wanted, "DNAT")
}

func within(prefix string, a netip.Addr) (bool, error) {
	if one, err := netip.ParseAddr(prefix); err == nil {
		return one == a, nil
	}
	p, err := netip.ParsePrefix(prefix)
	return p.Contains(a), err
}

func parseMark(text string) (mark, mask uint32, err error) {
	a, b, _ := strings.Cut(text, "/")
	x, err := strconv.ParseUint(a, 0, 32)
	if err != nil {
		return 0, 0, err
	}
	y, err := strconv.ParseUint(b, 0, 32)
	return uint32(x), uint32(y), err
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}
