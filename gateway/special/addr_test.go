package special

import (
	"net/netip"
	"testing"
)

func TestAddr(t *testing.T) {
	for text, want := range map[string]bool{
		"0.0.0.0": true, "10.1.2.3": true, "100.127.255.255": true, "127.0.0.53": true, "169.254.1.1": true, "172.31.0.1": true,
		"192.0.0.8": true, "192.168.77.1": true, "198.19.0.1": true, "224.0.0.251": true, "255.255.255.255": true,
		"::": true, "::1": true, "::ffff:192.168.1.1": true, "::192.168.1.1": true, "64:ff9b::a00:1": true, "100::1": true,
		"2001:0:1::1": true, "2002:a00:1::1": true, "fd00::1": true, "fe80::1%lan0": true, "fec0::1": true, "ff02::fb": true,
		"1.1.1.1": false, "100.63.255.255": false, "100.128.0.0": false, "172.32.0.1": false, "192.0.1.0": false, "198.17.255.255": false,
		"223.255.255.255": false, "::ffff:203.0.113.1": false, "2001:1::1": false, "2606:4700::1111": false, "2a00::1": false,
	} {
		if got := Addr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if !Addr(netip.Addr{}) {
		t.Error("what is no address is a place outside")
	}
}
