package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// TOML is the text of the peer's file.
func (p Peer) TOML() string {
	text := fmt.Sprintf("onion = %q\nclient = %q\n", p.Onion, p.ClientKey)
	if !p.Since.IsZero() {
		text += fmt.Sprintf("since = %s\n", p.Since.UTC().Format(time.RFC3339))
	}
	return text
}

// WritePeer makes the file of a friend, or gives the one that is there another
// onion and key: only these lines change, comments stay. After a power cut
// there is either the old or the new file. Callers take turns, and Load
// afterwards.
func WritePeer(p Paths, peer Peer) error {
	path, err := peerFile(p, peer.Name)
	if err != nil {
		return err
	}
	if doc, t := parseDocument(path, []byte(peer.TOML())); len(doc.errs) == 0 {
		if readPeer(peer.Name, t); len(doc.errs) > 0 {
			return fmt.Errorf("writing peer %q: %w", peer.Name, doc.errs)
		}
	}
	old, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeFile(path, []byte(peer.TOML()))
	case err != nil:
		return fmt.Errorf("reading the file of peer %q: %w", peer.Name, err)
	}
	text := string(old)
	for _, change := range []struct{ key, value string }{{"onion", peer.Onion}, {"client", peer.ClientKey}} {
		if text, err = setText(text, change.key, change.value); err != nil {
			return changing(path, err)
		}
	}
	return writeFile(path, []byte(text))
}

// RemovePeer removes the file of a friend. The error is fs.ErrNotExist if
// there is none.
func RemovePeer(p Paths, name string) error {
	path, err := peerFile(p, name)
	if err != nil {
		return err
	}
	if err := removeFile(path); err != nil {
		return fmt.Errorf("removing the file of peer %q: %w", name, err)
	}
	return nil
}

// RenamePeer gives a friend's file another name, with all that is in it. The
// error is fs.ErrNotExist if there is none, and ErrExists if the new name is
// taken.
func RenamePeer(p Paths, from, to string) error {
	old, err := peerFile(p, from)
	if err != nil {
		return err
	}
	path, err := peerFile(p, to)
	if err != nil {
		return err
	}
	if err := os.Link(old, path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("renaming peer %q: %s %w", from, path, ErrExists)
	} else if err != nil {
		return fmt.Errorf("renaming peer %q: %w", from, err)
	}
	return removeFile(old)
}

// peerFile is the path of a friend's file, for a name that is one.
func peerFile(p Paths, name string) (string, error) {
	if err := CheckPetname(name); err != nil {
		return "", err
	}
	return p.PeerFile(name), nil
}
