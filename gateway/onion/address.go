package onion

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha3"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// The layout of a version 3 onion address (rend-spec-v3, "Encoding onion
// addresses"): base32(public key, 32 bytes | checksum, 2 bytes | version, 1 byte).
const (
	addressLen     = 56 // letters
	checksumLen    = 2  // bytes
	addressVersion = 3
	onionSuffix    = ".onion"
)

// ErrAddress is what every error of Parse and ParseName wraps. None of these
// errors repeats the text that was parsed: it may be what a device asked for,
// and that stays out of the logs.
var ErrAddress = errors.New("no onion address")

// Address is a version 3 onion address: 56 lower-case letters and digits,
// without ".onion". Parse, ParseName and FromPublicKey make valid ones.
type Address string

// Parse checks the 56 letters of an address in either case: alphabet, version
// and checksum. Whether the key is a point without a torsion component is
// left to tor, which refuses such addresses when it connects.
func Parse(s string) (Address, error) {
	if len(s) != addressLen {
		return "", fmt.Errorf("%w: it has %d letters, not %d", ErrAddress, len(s), addressLen)
	}
	raw := decode(s)
	if raw == nil {
		return "", fmt.Errorf("%w: only the letters a-z and the digits 2-7 occur in one", ErrAddress)
	}
	key, sum, version := raw[:ed25519.PublicKeySize], raw[ed25519.PublicKeySize:len(raw)-1], raw[len(raw)-1]
	if version != addressVersion {
		return "", fmt.Errorf("%w: version %d is unknown, only %d exists", ErrAddress, version, addressVersion)
	}
	if !bytes.Equal(sum, checksum(key)) {
		return "", fmt.Errorf("%w: the checksum is wrong, so a letter is", ErrAddress)
	}
	return FromPublicKey(key), nil
}

// ParseName finds the address in a host name: "KEY.onion" or any name below
// it, such as "www.KEY.onion", in either case, with or without a final dot.
// tor ignores the labels to the left of the address, and so does ParseName.
func ParseName(host string) (Address, error) {
	name := strings.TrimSuffix(host, ".")
	split := len(name) - len(onionSuffix)
	if split < 0 || !strings.EqualFold(name[split:], onionSuffix) {
		return "", fmt.Errorf("%w: the name does not end in %s", ErrAddress, onionSuffix)
	}
	name = name[:split]
	return Parse(name[strings.LastIndexByte(name, '.')+1:])
}

// FromPublicKey returns the address of the onion service with this key.
func FromPublicKey(key ed25519.PublicKey) Address {
	raw := make([]byte, 0, len(key)+checksumLen+1)
	raw = append(raw, key...)
	raw = append(raw, checksum(key)...)
	raw = append(raw, addressVersion)
	return Address(strings.ToLower(base32.StdEncoding.EncodeToString(raw)))
}

// Host returns the name that tor knows the service by: "KEY.onion".
func (a Address) Host() string { return string(a) + onionSuffix }

// PublicKey returns the 32 bytes of the service's identity key, or nil if the
// address was not made by this package and is not one.
func (a Address) PublicKey() ed25519.PublicKey {
	raw := decode(string(a))
	if raw == nil {
		return nil
	}
	return ed25519.PublicKey(raw[:ed25519.PublicKeySize])
}

// decode returns the 35 bytes that the 56 letters of an address stand for, or
// nil if there are not 56 or one is outside the alphabet. It looks at bytes:
// encoding/base32 skips line ends, and Unicode folds foreign letters to ASCII.
func decode(s string) []byte {
	if len(s) != addressLen {
		return nil
	}
	letters := []byte(s)
	for i, c := range letters {
		switch {
		case 'a' <= c && c <= 'z':
			letters[i] = c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '2' <= c && c <= '7':
		default:
			return nil
		}
	}
	raw := make([]byte, base32.StdEncoding.DecodedLen(addressLen))
	if _, err := base32.StdEncoding.Decode(raw, letters); err != nil {
		return nil
	}
	return raw
}

// checksum is H(".onion checksum" | PUBKEY | VERSION)[:2] with SHA3-256.
func checksum(key []byte) []byte {
	text := append([]byte(".onion checksum"), key...)
	sum := sha3.Sum256(append(text, addressVersion))
	return sum[:checksumLen]
}
