package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Inbound is a port of the box itself that the internet may reach.
type Inbound struct {
	Protocol uint8 // of IP: 6 is TCP, 17 UDP
	Port     uint16
}

// String returns the port as it is written: "tcp/22".
func (i Inbound) String() string {
	name := "tcp"
	if i.Protocol == protoUDP {
		name = "udp"
	}
	return fmt.Sprintf("%s/%d", name, i.Port)
}

// readNamed reads what passes beside the household because it is named.
func readNamed(t *table, g *Gateway, household []string) {
	t.texts("other-networks", func(path, name string) {
		p := checkInterface(name)
		if slices.Contains(household, name) {
			p = problemf("an interface is either the household's or another network's", "%q is in [household] interfaces", name)
		}
		g.OtherNetworks = addOnce(t, path, g.OtherNetworks, name, p)
	})
	t.texts("inbound", func(path, text string) {
		i, p := parseInbound(text)
		g.Inbound = addOnce(t, path, g.Inbound, i, p)
	})
}

// parseInbound takes tcp/PORT and udp/PORT.
func parseInbound(text string) (Inbound, *problem) {
	const hint = `write "tcp/22" or "udp/51820"`
	name, number, _ := strings.Cut(text, "/")
	protocol := map[string]uint8{"tcp": protoTCP, "udp": protoUDP}[name]
	port, err := strconv.ParseUint(number, 10, 16)
	if protocol == 0 || err != nil || port == 0 {
		return Inbound{}, problemf(hint, "%q is no port of TCP or UDP", text)
	}
	if slices.Contains(internalPorts(), uint16(port)) {
		return Inbound{}, problemf("", "port %d is one of tunic's own, which is never open to the internet", port)
	}
	return Inbound{protocol, uint16(port)}, nil
}
