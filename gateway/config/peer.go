package config

import (
	"bytes"
	"crypto/sha3"
	"encoding/base32"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Peer is peers/NAME.toml: a friend's box.
type Peer struct {
	Name      string    // the petname: what this house calls them
	Onion     string    // the 56 letters of their home onion, lower case
	ClientKey string    // x25519 public key, 52 letters, upper case: by it they find our private onions
	Since     time.Time // when the boxes were paired; the zero time if the file does not say
}

// petnamePattern is one ASCII label. It is the pattern of all names, with a
// letter or digit at the end too, because it is a part of host names.
var petnamePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$`)

// reservedPetnames mean something else beside the friends' names.
var reservedPetnames = []string{"box", "rooms", "www", "mail", "all"}

const petnameHint = "a friend's name is 1 to 30 lower-case letters, digits and hyphens, with a letter or digit at both ends"

// CheckPetname says what is wrong with the name for a friend.
func CheckPetname(name string) error {
	if p := checkPetname(name); p != nil {
		return Error{Msg: p.msg, Hint: p.hint}
	}
	return nil
}

func checkPetname(name string) *problem {
	switch {
	case petnamePattern.MatchString(strings.ToLower(name)) && name != strings.ToLower(name):
		return problemf("call them "+strings.ToLower(name), "the name %q has upper-case letters", name)
	case !petnamePattern.MatchString(name):
		return problemf(petnameHint, "%q is not a valid name for a friend", name)
	case strings.HasPrefix(name, "xn--"):
		return problemf(petnameHint, "%q stands for letters that only look like others: it is no name for a friend", name)
	case slices.Contains(reservedPetnames, name):
		return problemf("choose another, such as "+name+"-friend", "the name %q has another meaning", name)
	}
	return nil
}

// peers reads peers/NAME.toml.
func (l *loader) peers(cfg *Config) {
	owner := make(map[string]string) // onion -> the file that has it
	l.each(l.paths.PeerDir(), func(name string, t *table) {
		p := readPeer(name, t)
		if other, taken := owner[p.Onion]; taken && p.Onion != "" {
			t.add("onion", problemf("one friend has one file: remove one of the two", "%s… is also the onion in %s", p.Onion[:8], other))
			return
		}
		owner[p.Onion] = filepath.Base(l.paths.PeerDir()) + "/" + filepath.Base(t.doc.file)
		cfg.Peers = append(cfg.Peers, p)
	})
}

// readPeer reads what one file says, without a look at other files.
func readPeer(name string, t *table) Peer {
	p := Peer{Name: name}
	if bad := checkPetname(name); bad != nil {
		t.doc.add("", bad)
	}
	p.Onion = required(t, "onion", parseKey)
	p.ClientKey = required(t, "client", parseClientKey)
	p.Since, _ = get[time.Time](t, "since", "a time, like 2026-11-25T23:00:00Z")
	return p
}

// required reads a text that must be there and parses it.
func required(t *table, key string, parse func(string) (string, *problem)) string {
	text, ok := t.text(key)
	if !t.has(key) {
		t.missing(key, "`tunic invite` and `tunic accept` write this file; without it there is no friend")
	}
	if !ok {
		return ""
	}
	value, bad := parse(text)
	if bad != nil {
		t.add(key, bad)
		return ""
	}
	return value
}

// parseKey takes the 56 letters of an onion address, with ".onion" or without,
// and returns them in lower case (rend-spec-v3, "Encoding onion addresses").
func parseKey(text string) (string, *problem) {
	key := strings.TrimSuffix(strings.ToLower(text), ".onion")
	raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(key))
	if err != nil || len(raw) != 35 || len(key) != 56 {
		return "", problemf("it has 56 letters a-z and digits 2-7", "%q is no onion address", text)
	}
	sum := sha3.Sum256(slices.Concat([]byte(".onion checksum"), raw[:32], []byte{3}))
	if raw[34] != 3 || !bytes.Equal(sum[:2], raw[32:34]) {
		return "", problemf("copy it again: a letter of it is wrong", "%q is no onion address: its checksum is wrong", text)
	}
	return key, nil
}
