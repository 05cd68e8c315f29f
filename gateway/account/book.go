package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Book answers logins and knows whom an address of the box means. It is never
// changed, so any number of goroutines may use it.
type Book struct {
	users  map[string]User
	secret []byte // makes the salts of users that do not exist, and Number
}

// NewBook makes a Book of accounts; secret is that of their Store.
func NewBook(secret string, users []User) *Book {
	b := &Book{users: make(map[string]User, len(users)), secret: []byte(secret)}
	for _, u := range users {
		b.users[u.Name] = u
	}
	return b
}

// Login checks a name and a password (SASL PLAIN, RFC 4616) and returns the
// account's name. A name that does not exist takes as long as a wrong password.
func (b *Book) Login(login, password string) (name string, ok bool) {
	r, known := b.lookup(login)
	if !r.Check(password) || !known {
		return "", false
	}
	return LoginName(login), true
}

// Exchange begins a login by SCRAM-SHA-256.
func (b *Book) Exchange() *Exchange { return &Exchange{book: b, nonce: rand.Text()} }

// lookup returns a user's record, or one that no password fits. For the same
// unknown name it is always the same, also after a restart, so that nobody can
// tell which exist (RFC 5802, section 9).
func (b *Book) lookup(login string) (Record, bool) {
	name := LoginName(login)
	if u, ok := b.users[name]; ok {
		return u.Record, true
	}
	salt := hex.EncodeToString(mac(b.secret, name))[:saltLength]
	return Record{Iterations: iterations, Salt: salt, StoredKey: sha256.Sum256(mac(b.secret, "none "+name))}, false
}

// User returns an account by its name.
func (b *Book) User(name string) (User, bool) {
	u, ok := b.users[name]
	return u, ok
}

// Mailboxes are the users who get the mail for the local part of an address of
// the box, sorted: the user, or all admins for a reserved name. It is empty for
// everybody else.
func (b *Book) Mailboxes(local string) []string {
	name := LoginName(local)
	if u, ok := b.users[name]; ok && u.HasMail() {
		return []string{name}
	}
	var admins []string
	for _, u := range b.users {
		if isReserved(name) && u.Role == Admin {
			admins = append(admins, u.Name)
		}
	}
	slices.Sort(admins)
	return admins
}

// Number stands for a device towards a server that remembers devices: the same
// one after each start, and one that nobody can foresee. There is none without
// the secret of a Store.
func (b *Book) Number(device string) (n uint32, ok bool) {
	return binary.BigEndian.Uint32(mac(b.secret, "device "+device)), len(b.secret) > 0
}
