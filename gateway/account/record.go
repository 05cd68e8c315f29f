package account

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// iterations of PBKDF2 for new records: a login costs a small box a tenth of
// a second.
const iterations = 50_000

// bounds of what a record may ask for: RFC 7677 wants 4096, and a record that
// wants millions would stop a small box.
const minIterations, maxIterations = 4096, 1_000_000

// Record is what is kept of a password (RFC 5802, section 3). Who has it can
// try passwords, but not log in with it.
type Record struct {
	Iterations int
	Salt       string // printable: Prosody takes its bytes as they stand in the file
	StoredKey  [sha256.Size]byte
	ServerKey  [sha256.Size]byte
}

// NewRecord makes the record of a password that CheckPassword has passed.
func NewRecord(password string) (Record, error) {
	return derive(password, rand.Text(), iterations)
}

// saltLength is that of the salts of NewRecord: rand.Text's.
const saltLength = 26

// derive is RFC 5802, section 3. The passwords that CheckPassword passes are
// what SASLprep leaves as they are.
func derive(password, salt string, iterations int) (Record, error) {
	salted, err := pbkdf2.Key(sha256.New, password, []byte(salt), iterations, sha256.Size)
	if err != nil {
		return Record{}, fmt.Errorf("deriving the keys of a password: %w", err)
	}
	return Record{
		Iterations: iterations, Salt: salt,
		StoredKey: sha256.Sum256(mac(salted, "Client Key")),
		ServerKey: [sha256.Size]byte(mac(salted, "Server Key")),
	}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Check reports whether it is the password's record.
func (r Record) Check(password string) bool {
	other, err := derive(password, r.Salt, r.Iterations)
	return err == nil && subtle.ConstantTimeCompare(other.StoredKey[:], r.StoredKey[:]) == 1
}

// String hides the record from logs.
func (r Record) String() string { return "(a password's record)" }

// GoString hides it too.
func (r Record) GoString() string { return r.String() }

const scheme = "SCRAM-SHA-256"

var b64 = base64.StdEncoding

// Encode writes the record as RFC 5803 does:
// "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey", in base64.
func (r Record) Encode() string {
	return fmt.Sprintf("%s$%d:%s$%s:%s", scheme, r.Iterations, b64.EncodeToString([]byte(r.Salt)),
		b64.EncodeToString(r.StoredKey[:]), b64.EncodeToString(r.ServerKey[:]))
}

// ParseRecord reads what Encode has written. The error repeats none of it.
func ParseRecord(text string) (Record, error) {
	var r Record
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != scheme {
		return r, errors.New("reading a password's record: it is not of the form SCRAM-SHA-256$N:SALT$KEY:KEY")
	}
	count, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	n, err := strconv.Atoi(count)
	if !ok1 || !ok2 || err != nil || n < minIterations || n > maxIterations {
		return r, errors.New("reading a password's record: the number of iterations is missing or out of bounds")
	}
	raw, err := b64.DecodeString(salt)
	if err != nil || !printable(string(raw)) {
		return r, errors.New("reading a password's record: the salt is not printable text in base64")
	}
	r.Iterations, r.Salt = n, string(raw)
	if !decodeKey(&r.StoredKey, stored) || !decodeKey(&r.ServerKey, server) {
		return Record{}, errors.New("reading a password's record: a key is not 32 bytes in base64")
	}
	return r, nil
}

func decodeKey(key *[sha256.Size]byte, text string) bool {
	raw, err := b64.DecodeString(text)
	return err == nil && copy(key[:], raw) == len(key) && len(raw) == len(key)
}

// printable reports whether s is text of ASCII letters, digits and punctuation,
// and not empty.
func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
