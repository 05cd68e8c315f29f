package onion

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Client authorization (rend-spec-v3, "Client authorization"; tor(1),
// "CLIENT AUTHORIZATION"): the descriptor of a private onion can be read only
// with one of the x25519 keys that its owner has listed.
const (
	clientPrefix = "descriptor:x25519:"
	clientKeyLen = 52 // letters of 32 bytes in base32 without padding
)

// clientBase32 is how tor writes the keys.
var clientBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// ErrClientKey is what every error of ParseClientKey and ParseClientSecret
// wraps. None repeats the text: it may be a secret in the wrong place.
var ErrClientKey = errors.New("no x25519 key")

// ClientKey is the public key of one who may find a private onion: 52 upper-case
// letters and digits. It is no secret, but tells who is a friend of whom.
type ClientKey string

// ClientSecret is the private key that belongs to a ClientKey: 52 upper-case
// letters and digits. Whoever has it can find the onion. Its String, and so
// what fmt and slog print of it, does not hold it; string(s) does.
type ClientSecret string

func (ClientSecret) String() string       { return "(a secret key)" }
func (ClientSecret) GoString() string     { return "(a secret key)" }
func (ClientSecret) LogValue() slog.Value { return slog.StringValue("(a secret key)") }

// NewClientSecret makes a new key.
func NewClientSecret() (ClientSecret, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making a client key: %w", err)
	}
	return ClientSecret(clientBase32.EncodeToString(key.Bytes())), nil
}

// Public returns the public key that belongs to s, or an error if s is none.
func (s ClientSecret) Public() (ClientKey, error) {
	raw, err := decodeClientKey(string(s))
	if err != nil {
		return "", err
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return "", fmt.Errorf("%w: it has another length", ErrClientKey)
	}
	return ClientKey(clientBase32.EncodeToString(key.PublicKey().Bytes())), nil
}

// ParseClientKey reads a public key, alone or as the line of a file of tor's
// authorized_clients ("descriptor:x25519:KEY"), in either case.
func ParseClientKey(text string) (ClientKey, error) {
	raw, err := decodeClientKey(cutClientPrefix(text))
	if err != nil {
		return "", err
	}
	public, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return "", fmt.Errorf("%w: it has another length", ErrClientKey)
	}
	// A point of small order, with which everybody could read the descriptor.
	probe, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err == nil {
		_, err = probe.ECDH(public)
	}
	if err != nil {
		return "", fmt.Errorf("%w: it would lock nothing", ErrClientKey)
	}
	return ClientKey(clientBase32.EncodeToString(raw)), nil
}

// ParseClientSecret reads a private key, alone or with "descriptor:x25519:"
// before it, in either case.
func ParseClientSecret(text string) (ClientSecret, error) {
	raw, err := decodeClientKey(cutClientPrefix(text))
	if err != nil {
		return "", err
	}
	return ClientSecret(clientBase32.EncodeToString(raw)), nil
}

// Line is the content of the key's file in tor's authorized_clients.
func (k ClientKey) Line() string { return clientPrefix + string(k) }

// Line is the content of the file ("*.auth_private") by which a tor finds the
// onion with this key.
func (s ClientSecret) Line(onion Address) string {
	return string(onion) + ":" + clientPrefix + string(s)
}

func cutClientPrefix(text string) string {
	if len(text) > len(clientPrefix) && strings.EqualFold(text[:len(clientPrefix)], clientPrefix) {
		return text[len(clientPrefix):]
	}
	return text
}

// decodeClientKey returns the 32 bytes that 52 letters stand for. There is one
// spelling for each key: bits that are left over must not be set.
func decodeClientKey(text string) ([]byte, error) {
	if len(text) != clientKeyLen {
		return nil, fmt.Errorf("%w: it has %d letters, not %d", ErrClientKey, len(text), clientKeyLen)
	}
	upper := asciiUpper(text)
	raw, err := clientBase32.DecodeString(upper)
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("%w: only the letters A-Z and the digits 2-7 occur in one", ErrClientKey)
	}
	if clientBase32.EncodeToString(raw) != upper {
		return nil, fmt.Errorf("%w: its last letter is wrong", ErrClientKey)
	}
	return raw, nil
}

// asciiUpper does not change foreign letters, some of which Unicode folds to ours.
func asciiUpper(text string) string {
	letters := []byte(text)
	for i, c := range letters {
		if 'a' <= c && c <= 'z' {
			letters[i] = c - 'a' + 'A'
		}
	}
	return string(letters)
}
