package onion

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tunic/gateway/untrusted"
)

// clientsDir holds, in a key directory, a file NAME.auth for each client that
// may find a private onion (tor(1), "CLIENT AUTHORIZATION").
const (
	clientsDir   = "authorized_clients"
	clientSuffix = ".auth"
	maxClients   = 400  // tor reads no more: a descriptor has no room for them
	maxClient    = 1024 // bytes of one file, of which the line needs 70
)

// Identity is what makes an onion the one that it is: its secret key, and the
// clients that a private one was made for. It has no printable form; write it
// with Create.
type Identity struct {
	Address Address
	Secret  []byte            // expanded, 64 bytes
	Clients map[string]string // content of the files in authorized_clients, by their names
}

// Format keeps the secret out of everything that fmt prints.
func (i Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, i.Address.Host()) }

// LogValue keeps the secret out of logs.
func (i Identity) LogValue() slog.Value { return slog.StringValue(i.Address.Host()) }

// NewIdentity returns the identity of a secret key: 64 bytes, expanded, as tor
// and the generators of vanity addresses keep it after the tag.
func NewIdentity(secret []byte) (Identity, error) {
	if len(secret) != expandedLen {
		return Identity{}, fmt.Errorf("reading an onion key: it has %d bytes, not %d", len(secret), expandedLen)
	}
	public, err := publicKey(secret)
	if err != nil {
		return Identity{}, fmt.Errorf("reading an onion key: %w", err)
	}
	return Identity{Address: FromPublicKey(public), Secret: slices.Clone(secret)}, nil
}

// ReadIdentity reads the HiddenServiceDir of any tor, or what a generator of
// vanity addresses such as mkp224o has written, which is the same. It refuses
// what tor would not take either: links, other sizes, files that contradict
// each other, and a secret key that others than its owner can read, since they
// may have read it. Who the owner is does not matter. Errors say what to do,
// and hold no byte of a key.
func ReadIdentity(dir string) (Identity, error) {
	id, err := readIdentity(dir)
	if err != nil {
		return Identity{}, fmt.Errorf("reading the onion keys in %s: %w", dir, err)
	}
	return id, nil
}

func readIdentity(dir string) (Identity, error) {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return Identity{}, err
	case !info.IsDir():
		return Identity{}, errors.New("it is no directory: name the HiddenServiceDir itself, not a link or a file")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Identity{}, err
	}
	defer root.Close()
	d := source{root, dir}
	secret, err := d.key(secretFile, secretTag, expandedLen)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, d.noSecret()
	}
	if err != nil {
		return Identity{}, err
	}
	id, err := NewIdentity(secret)
	if err == nil {
		err = d.agrees(id.Address)
	}
	if err == nil {
		id.Clients, err = d.clients()
	}
	return id, err
}

// source is a directory that somebody else made. Nothing in it is trusted: no
// link is followed, no pipe waited for.
type source struct {
	root *os.Root
	path string
}

// noSecret is the error for a directory without a key that tunic can use.
func (d source) noSecret() error {
	if _, err := d.root.Lstat("private_key"); err == nil {
		return errors.New("these are the keys of a version 2 onion, which Tor does not know any more since 2021")
	}
	return fmt.Errorf("there is no %s: name the directory that a torrc calls HiddenServiceDir, or one that mkp224o made", secretFile)
}

// read returns a regular file of at most limit bytes; of a longer one it
// returns one byte more.
func (d source) read(name string, limit int, secret bool) ([]byte, error) {
	info, err := d.root.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = fmt.Errorf("%s is a symbolic link: replace it by the file itself", name)
	}
	if err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err = f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	case secret && info.Mode()&closed != 0:
		return nil, fmt.Errorf("%s can be read by others than its owner (mode %#o), so others may have the address's key: "+
			"if you are sure that nobody has, run chmod %o %s",
			name, info.Mode().Perm(), fileMode, filepath.Join(d.path, name))
	}
	return io.ReadAll(io.LimitReader(f, int64(limit)+1))
}

// key returns the key of a key file, of want bytes after its tag.
func (d source) key(name, tag string, want int) ([]byte, error) {
	content, err := d.read(name, tagLen+want, name == secretFile)
	if err != nil {
		return nil, err
	}
	if len(content) != tagLen+want || !bytes.HasPrefix(content, tagged(tag, nil)) {
		return nil, fmt.Errorf("%s is no key file of tor's: it must have %d bytes and begin with %q", name, tagLen+want, tag)
	}
	return content[tagLen:], nil
}

// agrees checks the two files that follow from the secret key, as far as they
// are there.
func (d source) agrees(address Address) error {
	public, err := d.key(publicFile, publicTag, ed25519.PublicKeySize)
	switch {
	case err == nil && !bytes.Equal(public, address.PublicKey()):
		return fmt.Errorf("%s does not belong to %s, whose address is %s: remove it if the secret key is the right one",
			publicFile, secretFile, address.Host())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	name, err := d.read(hostnameFile, addressLen*2, false)
	switch {
	case err == nil && strings.TrimSpace(string(name)) != address.Host():
		return fmt.Errorf("%s does not name the key's address %s: remove it if the secret key is the right one",
			hostnameFile, address.Host())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// clients reads authorized_clients. A file in it that tunic cannot read is an
// error: without it somebody would be shut out, or everybody let in.
func (d source) clients() (map[string]string, error) {
	info, err := d.root.Lstat(clientsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", clientsDir)
	}
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(untrusted.Tree{Root: d.root}, clientsDir)
	if err != nil {
		return nil, err
	}
	found := make(map[string]string)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != clientSuffix { // tor does not read it either
			continue
		}
		text, err := d.read(filepath.Join(clientsDir, e.Name()), maxClient, false)
		if err != nil {
			return nil, err
		}
		key, err := ParseClientKey(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w: correct it or remove it", clientsDir, e.Name(), err)
		}
		found[e.Name()] = key.Line() + "\n"
		if len(found) > maxClients {
			return nil, fmt.Errorf("%s has more than the %d clients that tor reads", clientsDir, maxClients)
		}
	}
	return found, nil
}

// Create makes dir with the identity's files in tor's own format: directories
// 0700, files 0600, all of them uid's and gid's. The directory must not exist;
// it has its name only when it is whole and on the disk.
func (i Identity) Create(dir string, uid, gid int) error {
	if err := i.create(dir, uid, gid); err != nil {
		return fmt.Errorf("writing onion keys to %s: %w", dir, err)
	}
	return nil
}

func (i Identity) create(dir string, uid, gid int) (err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("it is there already: %w", fs.ErrExist), err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-") // 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := i.fill(tmp, uid, gid); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("naming it: %w", err)
	}
	return syncPath(filepath.Dir(dir))
}

// fill writes the files while the directory is still the caller's, whom nobody
// can trick with a link, and gives it away last.
func (i Identity) fill(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	d := keyDir{root: root, path: dir, uid: uid, gid: gid}
	files := map[string][]byte{
		secretFile:   tagged(secretTag, i.Secret),
		publicFile:   tagged(publicTag, i.Address.PublicKey()),
		hostnameFile: []byte(i.Address.Host() + "\n"),
	}
	if len(i.Clients) > 0 {
		if err := root.Mkdir(clientsDir, dirMode); err != nil {
			return err
		}
		for name, line := range i.Clients {
			files[filepath.Join(clientsDir, filepath.Base(name))] = []byte(line)
		}
	}
	for name, content := range files {
		if err := d.writeNew(name, content); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	if len(i.Clients) > 0 {
		err = errors.Join(root.Lchown(clientsDir, uid, gid), syncPath(filepath.Join(dir, clientsDir)))
	}
	return errors.Join(err, syncPath(dir), os.Lchown(dir, uid, gid))
}

// ForeignClients returns the clients in an onion's key directory that another
// tor left there, by what it called them. Those that tunic wrote itself, whose
// files have the names of their keys, are not among them.
func ForeignClients(dir string) (map[string]ClientKey, error) {
	if _, err := os.Lstat(filepath.Join(dir, clientsDir)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); err == nil {
			return nil, nil
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	found := make(map[string]ClientKey)
	files := untrusted.Tree{Root: root}
	entries, err := fs.Glob(files, clientsDir+"/*"+clientSuffix)
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		label := strings.TrimSuffix(filepath.Base(name), clientSuffix)
		if _, err := ParseClientKey(label); err == nil {
			continue
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		key, err := ParseClientKey(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w: correct it or remove it", name, err)
		}
		found[label] = key
	}
	return found, nil
}

// Hostname reads the file of that name beside an onion's keys; "" if there is none.
func Hostname(dir string) string {
	text, err := untrusted.ReadFile(filepath.Join(dir, hostnameFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
