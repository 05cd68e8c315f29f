package onion

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"

	"filippo.io/edwards25519"
)

// expandedLen is the length of an expanded ed25519 secret key: the scalar and
// the prefix for nonces, 32 bytes each (RFC 8032, section 5.1.5, step 1 to 3).
// tor keeps this form, not the seed.
const expandedLen = 64

// newSecret makes an expanded secret key.
func newSecret() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an onion key: %w", err)
	}
	return expand(key.Seed()), nil
}

// expand hashes a seed and clamps the scalar (RFC 8032, section 5.1.5).
func expand(seed []byte) []byte {
	h := sha512.Sum512(seed)
	h[0] &= 0xf8
	h[31] &= 0x7f
	h[31] |= 0x40
	return h[:]
}

// publicKey computes the public key of an expanded secret key. The standard
// library computes it from a seed only, which tor does not keep. A scalar that
// was not clamped is none that a tor or a generator of vanity addresses makes,
// and the file that it comes from is damaged.
func publicKey(secret []byte) (ed25519.PublicKey, error) {
	scalar := secret[:32]
	if scalar[0]&0x07 != 0 || scalar[31]&0xc0 != 0x40 {
		return nil, errUnusable
	}
	// Only the length can be wrong, and clamping changes nothing here.
	s, err := new(edwards25519.Scalar).SetBytesWithClamping(scalar)
	if err != nil {
		return nil, errUnusable
	}
	return new(edwards25519.Point).ScalarBaseMult(s).Bytes(), nil
}

var errUnusable = errors.New("it is no usable ed25519 key: put it back from a backup")
