package tor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"testing"
)

// The standard library signs with the seed, Sign with what is made of it: the
// signatures must be the same bytes.
func TestSignatureIsThatOfTheStandardLibrary(t *testing.T) {
	for i := range 32 {
		seed := bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize)
		key := ed25519.NewKeyFromSeed(seed)
		secret := sha512.Sum512(seed)
		secret[0] &= 0xf8
		secret[31] = secret[31]&0x7f | 0x40
		message := bytes.Repeat([]byte{byte(3 * i)}, i)
		got, err := Sign(secret[:], message)
		if err != nil {
			t.Fatal(err)
		}
		if want := ed25519.Sign(key, message); !bytes.Equal(got, want) {
			t.Errorf("seed %d: the signature differs", i)
		}
	}
}

func TestSignRefusesOtherKeys(t *testing.T) {
	if _, err := Sign(make([]byte, 32), nil); err == nil {
		t.Error("a seed was taken for an expanded key")
	}
}

func BenchmarkSign(b *testing.B) {
	secret := sha512.Sum512(nil)
	for b.Loop() {
		if _, err := Sign(secret[:], secret[:32]); err != nil {
			b.Fatal(err)
		}
	}
}
