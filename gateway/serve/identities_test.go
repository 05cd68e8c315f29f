package serve

import (
	"net/netip"
	"testing"

	"tunic/gateway/resolver"
)

func TestIdentities(t *testing.T) {
	phone, tv := netip.MustParseAddr("192.168.77.10"), netip.MustParseAddr("192.168.77.20")
	var i identities
	base := [16]byte{15: 7}
	name := func(d netip.Addr) netip.Addr { return resolver.LoopbackFor(d, i.secret(base, d)) }
	phoneWas, tvWas := name(phone), name(tv)
	if name(phone) != phoneWas {
		t.Fatal("a device's identity is not the same twice")
	}
	i.renew([]netip.Addr{netip.MustParseAddr("::ffff:192.168.77.10")})
	if name(phone) == phoneWas {
		t.Error("the device kept its identity")
	}
	if name(tv) != tvWas {
		t.Error("another device got a new identity")
	}
	phoneWas = name(phone)
	i.renew(nil)
	if name(phone) == phoneWas || name(tv) == tvWas {
		t.Error("somebody kept the identity although all got new ones")
	}
	if base != [16]byte{15: 7} {
		t.Error("the secret itself changed")
	}
}
