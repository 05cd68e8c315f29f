package config

import "net/netip"

// readNTP reads what [gateway] says of time.
func readNTP(t *table, g *Gateway) {
	g.NTP = true
	if answer, ok := t.boolean("ntp"); ok {
		g.NTP = answer
	}
	t.texts("ntp-servers", func(path, text string) {
		addr, p := parseTimeServer(text)
		g.NTPServers = addOnce(t, path, g.NTPServers, addr, p)
	})
}

// parseTimeServer takes an address and no name: a name would have to be asked
// for before the clock is right, and Tor needs the clock.
func parseTimeServer(text string) (netip.Addr, *problem) {
	const hint = `write the server's IP address, like "192.0.2.1" (its name cannot be asked for before the clock is right)`
	addr, err := netip.ParseAddr(text)
	addr = addr.Unmap()
	if err != nil || addr.Zone() != "" || addr.IsLoopback() || !isHost(addr) {
		return netip.Addr{}, problemf(hint, "%q is not the address of a time server", text)
	}
	return addr, nil
}
