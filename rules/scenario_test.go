package rules

import (
	"net/netip"
	"slices"
)

// house is a household as most are: one bridge, both families, an uplink elsewhere.
func house() Input {
	return Input{
		Mode:       Open,
		Interfaces: []string{"br-lan"},
		Prefixes: []netip.Prefix{
			netip.MustParsePrefix("192.168.77.0/24"),
			netip.MustParsePrefix("fd77:1::/64"),
			netip.MustParsePrefix("2001:db8:77::/64"),
		},
		Default: Tor,
		Devices: []Device{
			{MAC: "02:00:00:00:00:01", Policy: Direct},
			{MAC: "02:00:00:00:00:02", Policy: Onion},
			{MAC: "02:00:00:00:00:03", Policy: Block},
			{MAC: "02:00:00:00:00:04", Policy: Tor},
		},
		TorUID:    971,
		TransPort: 9240,
		DNSPort:   9253,
		Services: []Service{
			{Name: "dns", UDP: true, Public: 53, Internal: 9353},
			{Name: "socks", Public: 9050, Internal: 9350},
			{Name: "gopher", Public: 70, Internal: 9370},
		},
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
		Virtual6: netip.MustParsePrefix("fdc7:7a3e:91b2::/48"),
		Exceptions: []Exception{
			{UDP: true, To: netip.MustParseAddrPort("203.0.113.123:123")},
			{TCP: true, UDP: true, To: netip.MustParseAddrPort("[2001:db8::7b]:853")},
		},
	}
}

// scenarios are the inputs whose rules are kept in testdata.
func scenarios() map[string]Input {
	closed := house()
	closed.Mode = Lockdown
	ownTor := house()
	ownTor.OwnTor = true
	closedOwnTor := ownTor
	closedOwnTor.Mode = Lockdown
	booting := closedOwnTor
	booting.Prefixes = nil
	two := house()
	two.Interfaces = []string{"eth1", "wlan0"}
	two.Prefixes = append(slices.Clone(two.Prefixes), netip.MustParsePrefix("172.20.0.0/22"))
	two.Default = Direct
	return map[string]Input{
		"open":              house(),
		"open-own-tor":      ownTor,
		"open-two-networks": two,
		"lockdown":          closed,
		"lockdown-own-tor":  closedOwnTor,
		"lockdown-booting":  booting,
		"lockdown-early":    {OwnTor: true, TransPort: 9240, DNSPort: 9253},
	}
}
