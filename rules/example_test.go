package rules_test

import (
	"fmt"
	"net/netip"

	"tunic/rules"
)

// What the rules of a household do to a device's packet, without a kernel: rules
// are made from an Input, and Explain follows a packet through them.
func Example() {
	set, err := rules.Compile(rules.Input{
		Mode:       rules.Open,
		Interfaces: []string{"br-lan"},
		Prefixes:   []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24")},
		Default:    rules.Tor,
		Devices:    []rules.Device{{MAC: "02:00:00:00:00:01", Policy: rules.Block}},
		Carriers:   []rules.Carrier{{UID: 971, TransPort: 9240, DNSPort: 9253}},
		Services:   []rules.Service{{Name: "dns", UDP: true, Public: 53, Internal: 9353}},
		Virtual4:   netip.MustParsePrefix("10.192.0.0/16"),
		Virtual6:   netip.MustParsePrefix("fdc7:7a3e:91b2::/48"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, device := range []string{"02:00:00:00:00:01", "02:00:00:00:00:02"} {
		for _, protocol := range []string{"tcp", "udp"} {
			e, err := rules.Explain(set, rules.Flow{In: "br-lan", MAC: device, Protocol: protocol,
				From: netip.MustParseAddr("192.168.77.10"), To: netip.MustParseAddrPort("203.0.113.5:443")})
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(device, e.Mark, protocol, e.End, e.Port)
		}
	}
	// Output:
	// 02:00:00:00:00:01 block tcp refused 0
	// 02:00:00:00:00:01 block udp refused 0
	// 02:00:00:00:00:02 tor tcp redirected 9240
	// 02:00:00:00:00:02 tor udp refused 0
}
