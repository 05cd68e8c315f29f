package peer

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"

	"tunic/gateway/onion"
)

// Key is 32 bytes: an onion's public key, an x25519 public key or a nonce.
type Key [32]byte

// MarshalText and UnmarshalText are for the files of the Book.
func (k Key) MarshalText() ([]byte, error)     { return []byte(hex.EncodeToString(k[:])), nil }
func (k *Key) UnmarshalText(text []byte) error { return fromHex(k[:], text) }

func (t Token) MarshalText() ([]byte, error)     { return []byte(hex.EncodeToString(t[:])), nil }
func (t *Token) UnmarshalText(text []byte) error { return fromHex(t[:], text) }
func (id ID) MarshalText() ([]byte, error)       { return []byte(id.String()), nil }
func (id *ID) UnmarshalText(text []byte) error   { return fromHex(id[:], text) }

// Signature is an ed25519 signature (RFC 8032).
type Signature [64]byte

func fromHex(into, text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err == nil && len(raw) != len(into) {
		err = fmt.Errorf("%d bytes instead of %d", len(raw), len(into))
	}
	copy(into, raw)
	return err
}

// KeyOf returns the public key that an onion address is.
func KeyOf(a onion.Address) (k Key) {
	copy(k[:], a.PublicKey())
	return k
}

// Address returns the onion with this public key.
func (k Key) Address() onion.Address { return onion.FromPublicKey(k[:]) }

// clientKey returns an x25519 public key as tor writes it, or an error if it
// would lock nothing.
func (k Key) clientKey() (onion.ClientKey, error) { return onion.ParseClientKey(keyText(k[:])) }

// Role is a side of a pairing. It is part of what that side signs, so that one
// side's signature is never the other's.
type Role byte

const (
	Inviter Role = 1 // made the invitation, and is dialled
	Invited Role = 2 // accepted it, and dials
)

// Transcript is everything that both sides of a pairing must agree about.
type Transcript struct {
	Invite                      ID
	InviterOnion, InvitedOnion  Key // ed25519 keys of the home onions
	Commit                      Key // Commitment to the next-to-last two
	InviterNonce, InviterClient Key
	InvitedNonce, InvitedClient Key
}

// Commitment is what the invited side says first: it fixes its nonce and its
// client key before it knows those of the other side, so nobody in the middle
// can choose them until four words agree.
func Commitment(nonce, client Key) Key {
	return Key(labelled("tunic pairing commitment v1", nonce[:], client[:]))
}

// Message is what a side signs with its home onion's key: 258 bytes, never the
// 32 of a DKIM digest.
func (t Transcript) Message(as Role) []byte {
	return slices.Concat([]byte("tunic pairing v1\x00"), []byte{byte(as)}, t.Invite[:],
		t.InviterOnion[:], t.InvitedOnion[:], t.Commit[:],
		t.InviterNonce[:], t.InviterClient[:], t.InvitedNonce[:], t.InvitedClient[:])
}

// Verify reports whether the side has signed the transcript.
func (t Transcript) Verify(as Role, s Signature) bool {
	by := t.InviterOnion
	if as == Invited {
		by = t.InvitedOnion
	}
	return ed25519.Verify(by[:], t.Message(as), s[:])
}

// Words are the four words for people to compare. They are the same on both
// sides if, and only if, no one is in between.
func (t Transcript) Words() string {
	return Words([32]byte(labelled("tunic pairing words v1", t.Message(0))))
}

// HelloMessage is what a box signs to say who is calling: to whom, in answer to
// which question, and the digest of what it says of itself.
func HelloMessage(from, to, theirNonce, nonce, digest Key) []byte {
	return slices.Concat([]byte("tunic hello v1\x00"), from[:], to[:], theirNonce[:], nonce[:], digest[:])
}

// Digest is the digest of what a box says of itself in a hello.
func Digest(body []byte) Key { return Key(labelled("tunic hello body v1", body)) }
