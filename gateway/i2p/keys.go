package i2p

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"tunic/gateway/untrusted"
)

// Sizes of a destination and its private keys, in bytes (I2P's specification "Common
// structures": KeysAndCert, Destination; i2pd's files of keys are a destination, the
// private key of its encryption and that of its signatures).
const (
	cryptoSize      = 256 // of the public and of the private key for ElGamal
	signingSize     = 128 // of the field for the public key of signatures, at whose end an Ed25519 key stands
	certificateSize = 3 + 4
	destinationSize = cryptoSize + signingSize + certificateSize
	keysSize        = destinationSize + cryptoSize + ed25519.SeedSize
)

// certificate says which keys these are (KeyCertificate): signatures of the type 7,
// EdDSA_SHA512_Ed25519, and encryption of the type 0. Nobody encrypts to the key in a
// destination: routers take the one in the lease set, which changes.
var certificate = []byte{5, 0, 4, 0, 7, 0, 0}

// Suffix is what follows the 52 letters of an address by which a destination is found.
const Suffix = ".b32.i2p"

// Keys are the text of one of i2pd's files of keys. They are secret.
type Keys []byte

// NewKeys makes the keys of another destination.
func NewKeys() Keys {
	k := make(Keys, keysSize)
	rand.Read(k) // never fails
	signing := ed25519.NewKeyFromSeed(k[keysSize-ed25519.SeedSize:])
	copy(k[cryptoSize+signingSize-ed25519.PublicKeySize:], signing.Public().(ed25519.PublicKey))
	copy(k[destinationSize-certificateSize:], certificate)
	return k
}

// Address is "LETTERS.b32.i2p": the hash of the destination (I2P's specification "Naming").
func (k Keys) Address() string {
	hash := sha256.Sum256(k[:destinationSize])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash[:])) + Suffix
}

// ReadKeys reads a file of keys that NewKeys has made.
func ReadKeys(path string) (Keys, error) {
	raw, err := untrusted.ReadFile(path) // the file is i2pd's
	if err != nil {
		return nil, err
	}
	k := Keys(raw)
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: restore it from a backup, or remove it to have another address", path, err)
	}
	return k, nil
}

// check refuses keys that i2pd would take for others, or for none.
func (k Keys) check() error {
	if len(k) != keysSize || string(k[destinationSize-certificateSize:destinationSize]) != string(certificate) {
		return errors.New("these are no keys of the kind that tunic makes")
	}
	public := ed25519.NewKeyFromSeed(k[keysSize-ed25519.SeedSize:]).Public().(ed25519.PublicKey)
	if !public.Equal(ed25519.PublicKey(k[cryptoSize+signingSize-ed25519.PublicKeySize : cryptoSize+signingSize])) {
		return errors.New("the keys do not belong together")
	}
	return nil
}
