package onion

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"slices"
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

// publicKey computes the public key of an expanded secret key.
//
// The standard library computes it from a seed only, which tor does not keep.
// But X25519 multiplies the same base point by the same clamped scalar, on the
// birationally equivalent curve: from its coordinate u follows
// y = (u-1)/(u+1) (RFC 7748, section 4.1). What is missing is the sign of x;
// of the two keys that are left, the right one is that under which a signature
// made with the secret verifies. This also proves that the two belong together.
//
// big.Int does not run in constant time. This is no signing service: it runs
// when a key directory is opened, and nobody far away can time that.
func publicKey(secret []byte) (ed25519.PublicKey, error) {
	scalar, err := ecdh.X25519().NewPrivateKey(secret[:32])
	if err != nil {
		return nil, errUnusable
	}
	y, err := edwardsY(scalar.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	for _, sign := range []byte{0x00, 0x80} {
		candidate := slices.Clone(y)
		candidate[31] |= sign
		if belongs(secret, candidate) {
			return candidate, nil
		}
	}
	return nil, errUnusable
}

var errUnusable = errors.New("it is no usable ed25519 key: put it back from a backup")

// edwardsY maps X25519's coordinate u to ed25519's y, both little-endian.
func edwardsY(u []byte) ([]byte, error) {
	p := new(big.Int).Lsh(big.NewInt(1), 255)
	p.Sub(p, big.NewInt(19))
	one := big.NewInt(1)
	n := fromLittle(u)
	inverse := new(big.Int).ModInverse(new(big.Int).Add(n, one), p)
	if inverse == nil {
		return nil, errUnusable
	}
	y := new(big.Int).Sub(n, one)
	y.Mul(y, inverse).Mod(y, p)
	return toLittle(y), nil
}

// belongs reports whether a signature made with secret verifies under public.
// The nonce comes from a fresh key, so R is simply that key's public half.
func belongs(secret []byte, public ed25519.PublicKey) bool {
	r, nonce, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return false
	}
	message := []byte("tunic onion key check")
	hash := sha512.New()
	hash.Write(r)
	hash.Write(public)
	hash.Write(message)
	// S = nonce + H(R, A, M) * scalar mod L (RFC 8032, section 5.1.6)
	s := fromLittle(hash.Sum(nil))
	s.Mul(s, fromLittle(secret[:32]))
	s.Add(s, fromLittle(expand(nonce.Seed())[:32]))
	s.Mod(s, groupOrder())
	return ed25519.Verify(public, message, append(slices.Clone(r), toLittle(s)...))
}

// groupOrder is L = 2^252 + 27742317777372353535851937790883648493.
func groupOrder() *big.Int {
	low, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	return low.Add(low, new(big.Int).Lsh(big.NewInt(1), 252))
}

func fromLittle(b []byte) *big.Int {
	bytes := slices.Clone(b)
	slices.Reverse(bytes)
	return new(big.Int).SetBytes(bytes)
}

// toLittle returns n in 32 bytes; n is below 2^256.
func toLittle(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}
