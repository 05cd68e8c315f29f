package bypass

import (
	"net/netip"
	"testing"

	"tunic/rules"
)

// What a serve that was taken over could ask the way to.
func TestGrantable(t *testing.T) {
	in := rules.Input{
		Prefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8:77::/64")},
		Virtual4: netip.MustParsePrefix("93.184.0.0/24"), Virtual6: netip.MustParsePrefix("fd77:1::/64"),
	}
	for _, addr := range []string{
		"0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.170", "192.168.1.1",
		"198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::ffff:93.184.216.34", "64:ff9b::c0a8:101",
		"64:ff9b:1::1", "100::1", "2001::1", "2002:c0a8:101::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1",
		"2001:db8:77::5", "93.184.0.5", "fd77:1::5", "2606:2800::1%eth0",
	} {
		if grantable(in, netip.MustParseAddr(addr)) {
			t.Errorf("%s", addr)
		}
	}
	for _, addr := range []string{"93.184.216.34", "2606:2800::1"} {
		if !grantable(in, netip.MustParseAddr(addr)) {
			t.Errorf("%s is refused", addr)
		}
	}
	if grantable(in, netip.Addr{}) {
		t.Error("no address")
	}
}
