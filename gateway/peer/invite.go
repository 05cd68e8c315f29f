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
	"unicode/utf8"

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

// alphabet are the letters of base32 (RFC 4648, section 6).
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

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

// aroundCommand are the words of a command that was copied with the word, without the
// space between them.
var aroundCommand = []string{"sudo", "tunicaccept"}

// How many letters and digits a word has after "tunic:".
const (
	fewestLetters = ((inviteFixed+checksumLen)*8 + 4) / 5
	mostLetters   = ((inviteFixed+maxPetname+checksumLen)*8 + 4) / 5
)

// WordForm says to people what a word looks like.
var WordForm = fmt.Sprintf("an invitation is tunic: and %d to %d letters and digits", fewestLetters, mostLetters)

var errLetter = fmt.Errorf("%w: a letter in it is wrong or missing", ErrInvite)

// notInvite says what was taken for a word that does not begin as one.
func notInvite(word string) error {
	name := strings.Trim(strings.ToLower(word), "/")
	name = strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], "onion") // its dot is none of a word
	if _, err := onion.Parse(name); err == nil {
		return fmt.Errorf("%w: it is the address of an onion", ErrInvite)
	}
	return fmt.Errorf("%w: it does not begin with %s", ErrInvite, invitePrefix)
}

// later reports whether a word is of a later version, of which nothing else is known. The
// version is its first eight bits, in two letters.
func later(text string) bool {
	if len(text) < 2 {
		return false
	}
	high, low := strings.IndexByte(alphabet, text[0]), strings.IndexByte(alphabet, text[1])
	return high >= 0 && low >= 0 && high<<3|low>>2 > inviteVersion
}

// checkLetters says what a look at the letters shows.
func checkLetters(text string) error {
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }); i >= 0 {
		if strings.HasPrefix(text[i:], "--") {
			return fmt.Errorf("%w: a part of a command stands behind it", ErrInvite)
		}
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("%w: %q is in it, and there are only the letters a to z and the digits 2 to 7", ErrInvite, unicode.ToLower(r))
	}
	switch n := len(text); {
	case n < fewestLetters:
		return fmt.Errorf("%w: it is cut off, with %d letters and digits after %s instead of %d or more",
			ErrInvite, n, invitePrefix, fewestLetters)
	case n > mostLetters:
		return fmt.Errorf("%w: it is too long, with %d letters and digits after %s instead of %d at most",
			ErrInvite, n, invitePrefix, mostLetters)
	}
	return nil
}

// ParseInvite reads a word, in either case, also when it was broken into lines or
// has signs in it that can be no part of it, which its checksum makes safe, or stands
// in the command that takes it. It does not look at the clock.
func ParseInvite(word string) (Invite, error) {
	word = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(aroundWords, r) {
			return -1
		}
		return r
	}, word)
	for _, before := range aroundCommand {
		word, _ = cutFold(word, before)
	}
	text, ok := cutFold(word, invitePrefix)
	if !ok {
		return Invite{}, notInvite(word)
	}
	text = strings.ToUpper(strings.TrimPrefix(text, "//"))
	if later(text) {
		return Invite{}, ErrVersion
	}
	if err := checkLetters(text); err != nil {
		return Invite{}, err
	}
	raw, err := noPadding.DecodeString(text)
	if err != nil || noPadding.EncodeToString(raw) != text || raw[0] != inviteVersion {
		return Invite{}, errLetter
	}
	body, sum := raw[:len(raw)-checksumLen], raw[len(raw)-checksumLen:]
	if !bytes.Equal(sum, inviteSum(body)) {
		return Invite{}, errLetter
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
