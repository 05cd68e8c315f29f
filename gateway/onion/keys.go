package onion

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/durable"
)

// The files of a HiddenServiceDir (tor's src/feature/hs/hs_service.c and
// src/lib/crypt_ops/crypto_ed25519.c): each key file begins with a tag, padded
// with NUL to 32 bytes.
const (
	secretFile   = "hs_ed25519_secret_key" // tag, expanded secret key (64 bytes)
	publicFile   = "hs_ed25519_public_key" // tag, public key (32 bytes)
	hostnameFile = "hostname"              // "KEY.onion\n"

	secretTag = "== ed25519v1-secret: type0 =="
	publicTag = "== ed25519v1-public: type0 =="
	tagLen    = 32
)

// What tor asks of a key directory before it uses it.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
	closed   fs.FileMode = 0o077 // bits that must not be set
)

// EnsureKeys returns the address of the onion whose keys lie in dir, and makes
// the keys if the directory is absent or holds none. The directory has tor's
// own format and belongs to uid and gid, those of the tor process, so tor can
// use it as it is and one from another tor can be put in its place.
//
// Existing keys are never replaced. A directory that was left half made, with
// a secret key alone, is completed from it; one without its secret key is
// refused, because a new key would be another address. So is one that another
// uid owns, that its group or others can open, or whose files contradict each
// other. Errors say what to do, and hold no byte of a key.
//
// The parent directories are made if absent. Two calls for one directory must
// not run at the same time.
func EnsureKeys(dir string, uid, gid int) (Address, error) {
	address, err := ensureKeys(dir, uid, gid)
	if err != nil {
		return "", fmt.Errorf("preparing the onion keys in %s: %w", dir, err)
	}
	return address, nil
}

func ensureKeys(dir string, uid, gid int) (Address, error) {
	if err := makeDir(dir, uid, gid); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	d := keyDir{root: root, path: dir, uid: uid, gid: gid}
	if err := d.checkAccess(".", dirMode); err != nil {
		return "", err
	}
	secret, err := d.secret()
	if err != nil {
		return "", err
	}
	public, err := publicKey(secret)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", secretFile, err)
	}
	return FromPublicKey(public), d.complete(public)
}

// makeDir makes dir, and gives it to its owner only if it made it itself.
func makeDir(dir string, uid, gid int) error {
	if err := durable.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Lchown(dir, uid, gid); err != nil {
		return err
	}
	return syncPath(filepath.Dir(dir))
}

// secret returns the expanded secret key of the directory, new or old.
func (d keyDir) secret() ([]byte, error) {
	body, err := d.read(secretFile, secretTag, expandedLen)
	if !errors.Is(err, fs.ErrNotExist) {
		return body, err
	}
	for _, name := range []string{publicFile, hostnameFile} {
		if _, err := d.root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is there but %s is not: put it back from a backup, or move the directory away to get a new address",
				name, secretFile)
		}
	}
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	return secret, d.write(secretFile, tagged(secretTag, secret))
}

// complete checks the two files that follow from the secret key, and writes
// what is missing of them.
func (d keyDir) complete(public ed25519.PublicKey) error {
	have, err := d.read(publicFile, publicTag, ed25519.PublicKeySize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = d.write(publicFile, tagged(publicTag, public))
	case err == nil && !bytes.Equal(have, public):
		err = fmt.Errorf("%s does not belong to %s: remove it if the secret key is the right one", publicFile, secretFile)
	}
	if err != nil {
		return err
	}
	host := FromPublicKey(public).Host()
	name, err := d.readFile(hostnameFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.write(hostnameFile, []byte(host+"\n"))
	case err == nil && strings.TrimSpace(string(name)) != host:
		return fmt.Errorf("%s does not name the key's address %s: remove it if the secret key is the right one", hostnameFile, host)
	}
	return err
}

// tagged is the content of a key file.
func tagged(tag string, key []byte) []byte {
	content := make([]byte, tagLen, tagLen+len(key))
	copy(content, tag)
	return append(content, key...)
}
