package backup

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"filippo.io/age"
)

// The work of scrypt, as the logarithm of its cost: 15 takes 36 MB of memory
// and a second on a small router; age's own 18 takes 266 MB, which such a box
// does not have. One step more is accepted, for a file that was made with a
// passphrase by somebody else's hand; a hostile file cannot ask for all memory.
const (
	workFactor    = 15
	maxWorkFactor = 16
)

// Lock is what a backup is encrypted with. Make it with Passphrase or
// Recipients.
type Lock struct {
	recipients []age.Recipient
	identities []age.Identity // that open it again, if we have them
}

// Key is what opens a backup. Make it with Passphrase or Identities.
type Key struct{ identities []age.Identity }

// Passphrase returns the lock and the key that a passphrase stands for.
func Passphrase(text string) (Lock, Key, error) {
	recipient, err := age.NewScryptRecipient(text)
	if err != nil {
		return Lock{}, Key{}, err
	}
	recipient.SetWorkFactor(workFactor)
	identity, err := age.NewScryptIdentity(text)
	if err != nil {
		return Lock{}, Key{}, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	k := Key{[]age.Identity{identity}}
	return Lock{recipients: []age.Recipient{recipient}, identities: k.identities}, k, nil
}

// Recipients returns the lock for the public keys of age ("age1..."). Each of
// them opens it.
func Recipients(keys []string) (Lock, error) {
	recipients, err := age.ParseRecipients(strings.NewReader(strings.Join(keys, "\n")))
	if err != nil {
		return Lock{}, fmt.Errorf("reading the recipients: %w", err)
	}
	return Lock{recipients: recipients}, nil
}

// Identities reads a file of age's private keys ("AGE-SECRET-KEY-1..."), as
// age-keygen makes it.
func Identities(file io.Reader) (Key, error) {
	identities, err := age.ParseIdentities(file)
	if err != nil {
		return Key{}, errors.New("it holds no private keys of age, as age-keygen makes them")
	}
	return Key{identities}, nil
}

// decrypt opens the outer layer.
func decrypt(in io.Reader, k Key) (io.Reader, error) {
	r, err := age.Decrypt(in, k.identities...)
	debug.FreeOSMemory() // that of scrypt
	if err == nil {
		return r, nil
	}
	return nil, openingError(err)
}

// openingError tells what is wrong with a file whose beginning was not taken.
func openingError(err error) error {
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) && len(none.StanzaTypes) == 1 && none.StanzaTypes[0] == "scrypt":
		return fmt.Errorf("%w: it was made with a passphrase, and this is not it", ErrWrongKey)
	case errors.As(err, &none):
		return fmt.Errorf("%w: it was made for other recipients", ErrWrongKey)
	case strings.Contains(err.Error(), "work factor too large"):
		return fmt.Errorf("%w: its passphrase costs more memory than this box may spend (%w)", ErrWrongKey, err)
	case strings.HasPrefix(err.Error(), "failed to read header"):
		return fmt.Errorf("%w: it does not begin as a file of age's does", ErrNoBackup)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
