package feature

import (
	"net/netip"
	"slices"
	"testing"

	"tunic/rules"
)

// A door is one rule, and a socket on each interface that is there, of each family
// that the kernel speaks.
func TestDoor(t *testing.T) {
	there, gone := InterfaceFacts{Name: "br-lan", Index: 4}, InterfaceFacts{Name: "guest"}
	for ipv6, want := range map[bool][]string{true: {"x/br-lan#4/tcp4", "x/br-lan#4/tcp6"}, false: {"x/br-lan#4/tcp4"}} {
		var d Desired
		s := Scene{Facts: Facts{IPv6: ipv6, Interfaces: []InterfaceFacts{there, gone}}}
		if got := d.Door(s, Door{Name: "x", Public: 70, Internal: 9370}); !slices.Equal(got, want) || len(d.Listeners) != len(want) {
			t.Errorf("IPv6 %v: %q, %+v", ipv6, got, d.Listeners)
		}
		var one Desired
		if got := one.Door(s, Door{Name: "x", To: netip.MustParseAddr("10.192.0.1")}); !slices.Equal(got, want[:1]) {
			t.Errorf("IPv6 %v: at an IPv4 address %q", ipv6, got)
		}
		if !slices.Equal(d.Rules.Services, []rules.Service{{Name: "x", Public: 70, Internal: 9370}}) {
			t.Errorf("the rules have %+v", d.Rules.Services)
		}
	}
}
