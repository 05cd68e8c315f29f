package config

import "net/netip"

// readUpstream reads which filter is asked for public names first. One on the box
// has its own questions go through Tor by own-traffic = "tor" alone.
func readUpstream(t *table, d *DNS, own OwnTraffic) {
	text, ok := t.text("upstream")
	if !ok || text == "" {
		return
	}
	server, p := parseServer(text)
	if p == nil {
		p = checkUpstream(server.Addr())
	}
	if p == nil && server.Addr().IsLoopback() && own == OwnDirect {
		p = problemf(`set [gateway] own-traffic = "tor", or run the filter on another host of the household`,
			"the filter's own questions would leave this box outside Tor (own-traffic = direct)")
	}
	if p != nil {
		t.add("upstream", p)
		return
	}
	d.Upstream = server
}

// checkUpstream wants the names of the household to stay in it until they reach Tor.
func checkUpstream(a netip.Addr) *problem {
	switch {
	case a.Zone() != "", a.IsLinkLocalUnicast():
		return problemf("write the address that the household's devices know it by", "%s is an address of one link", a)
	case !a.IsLoopback() && !a.IsPrivate():
		return problemf(`a server on the internet is asked through Tor with resolver = "tls://ADDRESS"`,
			"%s is not in the household: names would leave it in clear", a)
	}
	return nil
}
