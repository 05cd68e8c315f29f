package leaktest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/netip"
)

// candidates is how many addresses are tried.
const candidates = 8

// plan chooses addresses for the guest in the household's networks, and a
// hardware address that no maker gives away (IEEE 802: local, of one host).
func plan(h Household) (order, net.HardwareAddr, error) {
	raw := make([]byte, 6+8+8)
	if _, err := rand.Read(raw); err != nil {
		return order{}, nil, fmt.Errorf("choosing addresses: %w", err)
	}
	mac := net.HardwareAddr(raw[:6])
	mac[0] = mac[0]&^1 | 2
	o := order{Interface: probeName, Nonce: "tunic" + hex.EncodeToString(raw[6:14])}
	for _, p := range h.Box {
		switch {
		case p.Addr().Is4() && len(o.Candidates) == 0 && p.Bits() <= 29:
			o.Via = append(o.Via, p.Addr())
			for range candidates {
				a, err := hostIn(p)
				if err != nil {
					return order{}, nil, err
				}
				o.Candidates = append(o.Candidates, a)
			}
		case p.Addr().Is6() && !o.Addr6.IsValid() && p.Bits() <= 64:
			b := p.Addr().As16()
			copy(b[8:], raw[14:22])
			b[8] &^= 2 // no address that was made of a hardware address
			o.Addr6, o.Via = netip.PrefixFrom(netip.AddrFrom16(b), p.Bits()), append(o.Via, p.Addr())
		}
	}
	if len(o.Via) == 0 {
		return order{}, nil, fmt.Errorf("the household interface %s has no network with room for a guest", h.Join)
	}
	return o, mac, nil
}

// hostIn returns a random host's address in the IPv4 network of the box, other
// than the box's own.
func hostIn(p netip.Prefix) (netip.Prefix, error) {
	size := int64(1) << (32 - p.Bits())
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(size-2))
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("choosing an address: %w", err)
		}
		b := p.Masked().Addr().As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		v += uint32(n.Int64()) + 1
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		if a != p.Addr() {
			return netip.PrefixFrom(a, p.Bits()), nil
		}
	}
}
