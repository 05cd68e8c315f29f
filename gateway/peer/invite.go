package peer

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha3"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// Lifetime is how long an invitation can be accepted.
const Lifetime = 7 * 24 * time.Hour

// An invitation is one word: "tunic:" and, in base32 without padding, in either
// case, so that a QR code can hold it in its smaller alphabet,
//
//	version (1 byte, 1) | home onion's key (32) | token (16) |
//	expiry (4, seconds since 1970, big endian) | suggested petname (0 to 30, ASCII) |
//	checksum (4: SHA3-256 of "tunic invite checksum v1" and all before it)
const (
	invitePrefix  = "tunic:"
	inviteVersion = 1
	inviteFixed   = 1 + 32 + 16 + 4
	checksumLen   = 4
	maxPetname    = 30
)

// Errors of ParseInvite. None repeats the word: whoever has it can use it.
var (
	ErrInvite  = errors.New("this is no invitation")
	ErrVersion = errors.New("this invitation is of a later version of tunic")
)

// Token is the one-time secret of an invitation.
type Token [16]byte

// String keeps the secret out of texts.
func (Token) String() string { return "(a token)" }

// ID names an invitation without giving it away.
type ID [16]byte

// String returns the 32 hexadecimal digits that its file is called by.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ID returns the name of the invitation with this token.
func (t Token) ID() ID { return ID(labelled("tunic invite id v1", t[:])) }

// Client returns the temporary key by which the invited box finds the private
// home onion of the inviting one. It follows from the token, so it needs no
// room of its own in the word.
func (t Token) Client() (onion.ClientSecret, error) {
	seed := labelled("tunic invite client v1", t[:])
	key, err := ecdh.X25519().NewPrivateKey(seed)
	if err != nil {
		return "", fmt.Errorf("making the key of an invitation: %w", err)
	}
	return onion.ParseClientSecret(keyText(key.Bytes()))
}

// labelled is SHA3-256 of the label, which says what for, a NUL and the parts.
func labelled(label string, parts ...[]byte) []byte {
	h := sha3.New256()
	h.Write(append([]byte(label), 0))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// Invite is what the word says.
type Invite struct {
	Onion   onion.Address // the home onion of the box that invites
	Token   Token
	Expires time.Time // whole seconds
	Name    string    // how its owner suggests to call that box; may be empty
}

func newToken() (t Token) {
	rand.Read(t[:]) // never fails
	return t
}

// noPadding is base32 as tor writes keys and as the word is written.
var noPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

// keyText is how tor writes an x25519 key.
func keyText(raw []byte) string { return noPadding.EncodeToString(raw) }

// Word returns the invitation as one word. It is as good as a key.
func (i Invite) Word() string {
	raw := append([]byte{inviteVersion}, i.Onion.PublicKey()...)
	raw = append(raw, i.Token[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(i.Expires.Unix()))
	raw = append(raw, i.Name...)
	raw = append(raw, inviteSum(raw)...)
	return invitePrefix + strings.ToLower(noPadding.EncodeToString(raw))
}

func inviteSum(raw []byte) []byte {
	return labelled("tunic invite checksum v1", raw)[:checksumLen]
}

// aroundWords is what people, mail programs and messengers put around a word and
// into it: quotes, ends of sentences, marks of quoted lines and of lines that go on.
const aroundWords = "<>()[]\"'.,;!=*`“”‘’«»"

// ParseInvite reads a word, in either case, also when it was broken into lines or
// has signs in it that can be no part of it, which its checksum makes safe. It
// does not look at the clock.
func ParseInvite(word string) (Invite, error) {
	word = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(aroundWords, r) {
			return -1
		}
		return r
	}, word)
	text, ok := cutFold(word, invitePrefix)
	if !ok {
		return Invite{}, fmt.Errorf("%w: it does not begin with %s", ErrInvite, invitePrefix)
	}
	text = strings.TrimPrefix(text, "//")
	raw, err := noPadding.DecodeString(strings.ToUpper(text))
	if err != nil || !strings.EqualFold(noPadding.EncodeToString(raw), text) {
		return Invite{}, fmt.Errorf("%w: a letter in it is wrong", ErrInvite)
	}
	if len(raw) > 0 && raw[0] > inviteVersion {
		return Invite{}, ErrVersion
	}
	if len(raw) < inviteFixed+checksumLen || len(raw) > inviteFixed+maxPetname+checksumLen || raw[0] != inviteVersion {
		return Invite{}, fmt.Errorf("%w: a part of it is missing, or there is too much", ErrInvite)
	}
	body, sum := raw[:len(raw)-checksumLen], raw[len(raw)-checksumLen:]
	if !bytes.Equal(sum, inviteSum(body)) {
		return Invite{}, fmt.Errorf("%w: a letter in it is wrong or missing", ErrInvite)
	}
	return inviteOf(body)
}

func inviteOf(body []byte) (Invite, error) {
	i := Invite{
		Onion:   onion.FromPublicKey(body[1:33]),
		Token:   Token(body[33:49]),
		Expires: time.Unix(int64(binary.BigEndian.Uint32(body[49:53])), 0).UTC(),
		Name:    string(body[53:]),
	}
	if i.Name != "" && config.CheckPetname(i.Name) != nil {
		return Invite{}, fmt.Errorf("%w: the name in it is none", ErrInvite)
	}
	return i, nil
}

// cutFold cuts an ASCII prefix in either case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
