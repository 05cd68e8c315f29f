package resolver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// LoopbackFor returns the address in 127.64.0.0/10 that stands for device when
// the box asks tor on its behalf. Tor isolates DNSPort's clients by address
// (IsolateClientAddr, on by default), so questions sent from it share circuits
// only with other questions of the same device.
//
// It is a keyed hash: the same for one secret, and without the secret it says
// nothing of the device. Two devices out of a hundred get the same address
// about once in a thousand households; they then share DNS circuits. The last
// byte is never 0 or 255, and 127.0.0.1 is outside the range.
func LoopbackFor(device netip.Addr, secret [16]byte) netip.Addr {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write(device.Unmap().WithZone("").AsSlice())
	sum := mac.Sum(nil)
	last := binary.BigEndian.Uint16(sum[2:4]) % 254
	return netip.AddrFrom4([4]byte{127, 64 | sum[0]&0x3f, sum[1], byte(1 + last)})
}
