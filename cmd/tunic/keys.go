package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/tor"
)

// ensureKeys is the real onions.Keys of a verb.
func ensureKeys(dir string, owner feature.IDs) (onion.Address, error) {
	return onion.EnsureKeys(dir, int(owner.UID), int(owner.GID))
}

// signWithKey signs with the key in an onion's directory, which is tor's own.
func signWithKey(dir string, owner feature.IDs, message []byte) (s peer.Signature, err error) {
	secret, err := onion.Secret(dir, int(owner.UID), int(owner.GID))
	if err != nil {
		return s, err
	}
	signature, err := tor.Sign(secret, message)
	copy(s[:], signature)
	return s, err
}
