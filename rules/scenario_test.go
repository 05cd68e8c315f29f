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
		Carriers: []Carrier{{UID: 971, TransPort: 9240, DNSPort: 9253}},
		Children: []Child{
			{UID: 973, May: []Way{{Protocol: ProtocolTCP, To: netip.MustParseAddr("127.0.0.1"), Port: 9250}}},
			{UID: 972, May: []Way{
				{Protocol: ProtocolUDP, To: netip.MustParseAddr("127.0.0.1"), Port: 9253},
				{Protocol: ProtocolTCP, To: netip.MustParseAddr("192.168.77.20"), Port: 8080},
				{Protocol: ProtocolTCP, To: netip.MustParseAddr("fd77:1::20"), Port: 8080},
				{Protocol: ProtocolTCP, Port: 2222},
			}},
			{UID: 974},
		},
		Streams: 1024,
		Services: []Service{
			{Name: "dns", UDP: true, Public: 53, Internal: 9353},
			{Name: "socks", Public: 9050, Internal: 9350},
			{Name: "gopher", Public: 70, Internal: 9370},
		},
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
		Virtual6: netip.MustParsePrefix("fdc7:7a3e:91b2::/48"),
		Exceptions: []Exception{
			{Protocol: ProtocolUDP, To: netip.MustParsePrefix("203.0.113.123/32"), Port: 123},
			{Protocol: ProtocolTCP, To: netip.MustParsePrefix("2001:db8::7b/128"), Port: 853},
			{Protocol: ProtocolUDP, To: netip.MustParsePrefix("2001:db8::7b/128"), Port: 853},
			{Protocol: 50, To: netip.MustParsePrefix("198.51.100.0/24")},
		},
	}
}

// scenarios are the inputs whose rules are kept in testdata.
func scenarios() map[string]Input {
	closed := house()
	closed.Mode = Lockdown
	ownTor := house()
	ownTor.OwnTor, ownTor.OwnDNS, ownTor.OwnTime = true, 9354, 9324
	closedOwnTor := ownTor
	closedOwnTor.Mode = Lockdown
	booting := closedOwnTor
	booting.Prefixes = nil
	setup := house()
	setup.Services = append(setup.Services, Service{Name: "setup", Public: 80, Internal: 9380, To: netip.MustParseAddr("10.192.0.1")})
	page := setup
	page.Services = append(slices.Clone(page.Services), Service{Name: "page", Public: 80, Internal: 9384},
		Service{Name: "shares", Public: 80, Internal: 9386, To: netip.MustParseAddr("10.192.1.1")},
		Service{Name: "shares", Public: 80, Internal: 9386, To: netip.MustParseAddr("10.192.1.0")})
	served := house()
	served.Services = append(served.Services, Service{Name: "page", Public: 80, Internal: 9384, When: Always},
		Service{Name: "page-tls", Public: 443, Internal: 9385, When: Always},
		Service{Name: "closed-dns", UDP: true, Public: 53, Internal: 9355, When: WhileClosed})
	closedServed := served
	closedServed.Mode = Lockdown
	files := house()
	files.Services = append(files.Services, Service{Name: "files", Public: 5281, Internal: 9381},
		Service{Name: "files of friends", Public: 5281, Internal: 9382, Virtual: true})
	two := house()
	two.Interfaces = []string{"eth1", "wlan0"}
	two.Prefixes = append(slices.Clone(two.Prefixes), netip.MustParsePrefix("172.20.0.0/22"))
	two.Default = Direct
	bypass := house()
	bypass.NTPPort = 9323
	bypass.Bypasses = []Bypass{
		{Domains: []string{"bank.example"}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:5::/48")}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}, MACs: []string{"02:00:00:00:00:02", "02:00:00:00:00:04"}},
	}
	bypass.Grants = []Grant{
		{MAC: "02:00:00:00:00:04", To: netip.MustParseAddr("2001:db8:bb::7")},
		{MAC: "02:00:00:00:00:04", To: netip.MustParseAddr("203.0.113.77")},
	}
	closedBypass := bypass
	closedBypass.Mode = Lockdown
	overTor := house()
	overTor.Carriers, overTor.OverTor = slices.Clone(overTor.Carriers), true
	overTor.Carriers[0].UDP = AnyUDP
	overTor.Passes = []Pass{
		{From: netip.MustParseAddr("2001:db8:77::10"), To: netip.MustParseAddrPort("[2001:db8:1::11]:9001")},
		{From: netip.MustParseAddr("192.168.77.10"), To: netip.MustParseAddrPort("203.0.113.11:9001")},
	}
	grouped := two
	grouped.Group = 0x74756e
	closedGrouped := grouped
	closedGrouped.Mode = Lockdown
	guests := house()
	guests.Guests = []Guest{
		{MAC: "02:00:00:00:00:04", Resolvers: []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8:a::1")}},
		{MAC: "02:00:00:00:00:07", To: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/24")},
			Resolvers: []netip.Addr{netip.MustParseAddr("198.18.0.1")}},
	}
	closedGuests := guests
	closedGuests.Mode = Lockdown
	beside := guests
	beside.Bypasses = bypass.Bypasses
	beside.Networks = []Network{{Range: netip.MustParsePrefix("10.193.0.0/16"), Port: 9348}}
	closedBeside := beside
	closedBeside.Mode = Lockdown
	closedBeside.Networks = []Network{{Range: netip.MustParsePrefix("10.193.0.0/16")}}
	named := ownTor
	named.Others = []string{"wg0", "docker0"}
	named.Full = []string{"02:00:00:00:00:04", "02:00:00:00:00:02", "03:00:00:00:00:01", "x -j ACCEPT"} // the last two are no device's
	named.Bridges = []string{"docker0"}
	named.Inbound = []Inbound{{Protocol: ProtocolUDP, Port: 51820}, {Protocol: ProtocolTCP, Port: 22}}
	named.Exceptions = append(slices.Clone(named.Exceptions), Exception{Protocol: 112, To: netip.MustParsePrefix("224.0.0.18/32")})
	closedNamed := named
	closedNamed.Mode = Lockdown
	oneArm := named
	oneArm.OneArm, oneArm.Interfaces = true, []string{"eth0"}
	bootingOneArm := oneArm
	bootingOneArm.Mode, bootingOneArm.Prefixes = Lockdown, nil
	return map[string]Input{
		"open-named":        named,
		"lockdown-named":    closedNamed,
		"open-one-arm":      oneArm,
		"lockdown-one-arm":  bootingOneArm,
		"open-portal":       guests,
		"lockdown-portal":   closedGuests,
		"open-beside":       beside,
		"lockdown-beside":   closedBeside,
		"open-over-tor":     overTor,
		"open":              house(),
		"open-bypass-ntp":   bypass,
		"lockdown-bypass":   closedBypass,
		"open-own-tor":      ownTor,
		"open-two-networks": two,
		"open-setup":        setup,
		"open-page":         page,
		"open-served":       served,
		"lockdown-served":   closedServed,
		"open-files":        files,
		"open-group":        grouped,
		"lockdown-group":    closedGrouped,
		"lockdown":          closed,
		"lockdown-own-tor":  closedOwnTor,
		"lockdown-booting":  booting,
		"lockdown-early":    {OwnTor: true, OwnDNS: 9354, Carriers: []Carrier{{TransPort: 9240, DNSPort: 9253}}},
	}
}
