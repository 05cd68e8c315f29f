package relaytime

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// ErrBridges is returned by Ways when tor may enter the network by bridges
// alone and none of them can be asked: what speaks with them is the transport's
// program, which has its own idea of a link.
var ErrBridges = errors.New("tor enters the network by bridges with a transport, which cannot be asked for the time")

// Ways returns the relays that may be asked where tor has this torrc: nobody
// else than tor itself would speak with. Those are the bridges if there are
// any, else the directory authorities that it names, else those of the public
// network.
func Ways(torrc string) ([]Relay, error) {
	bridges, found := parseBridges(torrc)
	if found {
		if len(bridges) == 0 {
			return nil, ErrBridges
		}
		return bridges, nil
	}
	named, err := parseAuthorities(torrc)
	if err != nil || len(named) > 0 {
		return named, err
	}
	return Authorities(), nil
}

// parseBridges reads the Bridge lines (tor(1)) and returns those bridges that
// have no transport, and whose identity is known. The names say nothing of the
// bridges: they are secrets.
func parseBridges(torrc string) (relays []Relay, found bool) {
	for line := range strings.Lines(torrc) {
		words := strings.Fields(strings.TrimLeft(line, " \t+/"))
		if len(words) < 2 || !slices.Contains([]string{"bridge", "usebridges"}, strings.ToLower(words[0])) {
			continue
		}
		if strings.EqualFold(words[0], "UseBridges") {
			found = found || words[1] != "0"
			continue
		}
		found = true
		addr, err := netip.ParseAddrPort(words[1])
		if err != nil || len(words) < 3 {
			continue
		}
		if id, err := parseFingerprint(words[2]); err == nil {
			relays = append(relays, Relay{Name: "a bridge", Addrs: []netip.AddrPort{addr}, ID: id})
		}
	}
	return relays, found
}
