package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// A code is of six digits and holds for 30 seconds (RFC 6238, section 5.2): what every
// program on phones takes without being told.
const (
	period     = 30 * time.Second
	secretSize = 20 // bytes (RFC 4226, section 4, R6)
	million    = 1_000_000
)

// plain32 is how secrets are written and typed.
var plain32 = base32.StdEncoding.WithPadding(base32.NoPadding)

func newSecret() string {
	var b [secretSize]byte
	rand.Read(b[:]) // never fails
	return plain32.EncodeToString(b[:])
}

// stepAt numbers the moments of codes.
func stepAt(now time.Time) int64 { return now.Unix() / int64(period/time.Second) }

// codeAt is the code of a moment (RFC 4226, section 5.3, with the moment as counter).
func codeAt(secret string, step int64) (string, error) {
	key, err := plain32.DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("reading a secret for codes: %w", err)
	}
	h := hmac.New(sha1.New, key)
	binary.Write(h, binary.BigEndian, step) // a hash takes everything
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%million), nil
}

// Code is the code of a moment, as a program on a phone shows it.
func Code(secret string, at time.Time) (string, error) { return codeAt(secret, stepAt(at)) }

// stepOf is the moment whose code was typed: the present one, the one before or the
// next, and none that is not after last, so that no code is good twice.
func stepOf(secret, typed string, now time.Time, last int64) (step int64, ok bool) {
	for _, s := range []int64{stepAt(now) - 1, stepAt(now), stepAt(now) + 1} {
		code, err := codeAt(secret, s)
		if err == nil && subtle.ConstantTimeCompare([]byte(code), []byte(typed)) == 1 && s > last {
			step, ok = s, true
		}
	}
	return step, ok
}

// URI is what programs for codes read from a QR code
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format).
func URI(user, secret string) string {
	return (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/tunic:" + user,
		RawQuery: url.Values{"secret": {secret}, "issuer": {"tunic"}}.Encode()}).String()
}
