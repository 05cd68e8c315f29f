package onion

import (
	"fmt"
	"os"
)

// Secret returns the expanded secret key (64 bytes: scalar and prefix, RFC
// 8032, section 5.1.5) in a directory that EnsureKeys has prepared for uid and
// gid. It makes nothing; what tor would refuse is refused. It is for a process
// that signs with the key: never log it, and never let it leave that process.
func Secret(dir string, uid, gid int) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading an onion key: %w", err)
	}
	defer root.Close()
	d := keyDir{root: root, path: dir, uid: uid, gid: gid}
	secret, err := d.read(secretFile, secretTag, expandedLen)
	if err != nil {
		return nil, fmt.Errorf("reading the onion key in %s: %w", dir, err)
	}
	return secret, nil
}
