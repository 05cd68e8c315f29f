package tor

import (
	"errors"

	"github.com/cretz/bine/torutil/ed25519"
)

// secretLen is the length of tor's form of a secret key: the clamped scalar and
// the prefix for nonces, 32 bytes each (RFC 8032, section 5.1.5).
const secretLen = 64

// Sign returns the ed25519 signature (RFC 8032, section 5.1.6; 64 bytes) of a
// message under an onion's expanded secret key, which the standard library
// cannot use because tor does not keep the seed. Anybody verifies it with
// crypto/ed25519 and the key that the onion's address is.
//
// One key signs for several purposes, so the message must say for which: DKIM
// signs digests of 32 bytes, and nothing else may be that short.
func Sign(secret, message []byte) ([]byte, error) {
	if len(secret) != secretLen {
		return nil, errors.New("signing with an onion key: it is no expanded ed25519 key")
	}
	return ed25519.Sign(ed25519.PrivateKey(secret).KeyPair(), message), nil
}
