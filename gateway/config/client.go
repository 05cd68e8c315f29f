package config

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Client is one who may find a private onion: a friend, whose key is in their
// file, or the key itself. Either Peer or Key is set.
type Client struct {
	Peer  string // petname
	Label string // what the owner calls the bearer of Key; may be empty
	Key   string // x25519 public key, 52 letters, upper case
}

// String is the form that the files use: "alice", "KEY" or "grandma:KEY".
func (c Client) String() string {
	switch {
	case c.Peer != "":
		return c.Peer
	case c.Label != "":
		return c.Label + ":" + c.Key
	}
	return c.Key
}

const clientHint = `a client is a friend's name, an x25519 public key (52 letters), or NAME:KEY`

// ParseClient reads "PEER", "KEY" or "LABEL:KEY". The error is an Error.
// Whether there is such a friend is for Load to say.
func ParseClient(text string) (Client, error) {
	if !strings.Contains(text, ":") && len(text) > 40 { // a key that was pasted in lines
		text = strings.Join(strings.Fields(text), "")
	}
	c, p := parseClient(strings.TrimSpace(text))
	if p != nil {
		return Client{}, Error{Key: text, Msg: p.msg, Hint: p.hint}
	}
	return c, nil
}

func parseClient(text string) (Client, *problem) {
	text = strings.TrimPrefix(text, "descriptor:x25519:") // as tor's files have it
	label, key, labelled := strings.Cut(text, ":")
	if !labelled {
		label, key = "", text
	}
	if labelled {
		if p := checkName(label); p != nil {
			return Client{}, p
		}
	} else if checkPetname(text) == nil {
		return Client{Peer: text}, nil
	}
	if !labelled && len(text) < 40 { // nobody means a key by that
		return Client{}, problemf(clientHint, "%q is no client", text)
	}
	key, p := parseClientKey(key)
	if p != nil {
		return Client{}, p
	}
	return Client{Label: label, Key: key}, nil
}

// parseClientKey takes an x25519 public key as tor writes it: base32 without
// padding (rend-spec-v3, "Client authorization"). tor would ignore a key that
// it cannot use, and an onion without a usable key is for everybody, so what
// could lock nothing is refused.
func parseClientKey(text string) (string, *problem) {
	key := strings.ToUpper(text)
	if len(strings.TrimSuffix(key, ".ONION")) == 56 {
		return "", problemf(clientHint, "%q is the address of an onion, and no key", text)
	}
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	raw, err := encoding.DecodeString(key)
	if err != nil || len(raw) != 32 || len(key) != 52 || encoding.EncodeToString(raw) != key {
		return "", problemf("it has 52 letters A-Z and digits 2-7", "%q is no x25519 public key", text)
	}
	if !locks(key, raw) {
		return "", problemf("have a new one made", "%q would lock nothing", text)
	}
	return key, nil
}

// locking are keys that were proved to lock something: each reading of the configuration asks for those of
// all friends, and to prove one takes as long as to read ten files.
var locking struct {
	sync.Mutex
	keys map[string]bool
}

// maxLocking bounds what is remembered.
const maxLocking = 4096

// probe is a key by which others are proved; any will do.
var probe = sync.OnceValues(func() (*ecdh.PrivateKey, error) { return ecdh.X25519().GenerateKey(rand.Reader) })

// locks reports whether a key, raw its 32 bytes, is no point of small order (RFC 7748, section 6.1).
func locks(key string, raw []byte) bool {
	locking.Lock()
	defer locking.Unlock()
	if locking.keys[key] {
		return true
	}
	public, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return false
	}
	private, err := probe()
	if err == nil {
		_, err = private.ECDH(public) // fails for such points
	}
	if err != nil {
		return false
	}
	if locking.keys == nil || len(locking.keys) >= maxLocking {
		locking.keys = make(map[string]bool)
	}
	locking.keys[key] = true
	return true
}

// readClients reads who may find an onion.
func readClients(o *Onion, t *table) {
	o.Private, _ = t.boolean("private")
	if t.has("private") && o.Name == HomeOnion {
		t.add("private", problemf("leave it out", "%s.toml is for your friends alone unless it says public = true", HomeOnion))
	}
	t.texts("clients", func(path, text string) {
		c, p := parseClient(text)
		if p == nil {
			p = already(o.Clients, c)
		}
		if p != nil {
			t.doc.add(path, p)
			return
		}
		o.Clients = append(o.Clients, c)
	})
	if t.has("clients") && !o.Private && (o.Name != HomeOnion || o.Public) {
		t.add("clients",
			problemf("write private = true too", "only a private onion asks who comes: this one is for everybody who knows its address"))
	}
}

// already says if somebody is in a list.
func already(list []Client, c Client) *problem {
	for _, other := range list {
		switch {
		case c.Peer != "" && c.Peer == other.Peer, c.Key != "" && c.Key == other.Key:
			return problemf("", "%s is there twice", other)
		case c.Label != "" && c.Label == other.Label, c.Label != "" && c.Label == other.Peer, c.Peer != "" && c.Peer == other.Label:
			return problemf("give each a name of its own", "two are called %s", c.Name())
		}
	}
	return nil
}

// Name is what the owner calls the client: its label or petname, or the
// beginning of its key.
func (c Client) Name() string {
	switch {
	case c.Peer != "":
		return c.Peer
	case c.Label != "":
		return c.Label
	}
	return c.Key[:min(len(c.Key), 8)] + "…"
}

// Is reports whether word means the client: its name, its key, or what the file
// has.
func (c Client) Is(word string) bool {
	return word != "" && (word == c.Peer || word == c.Label || strings.EqualFold(word, c.Key) || word == c.String())
}

// checkClients looks for the friends among the clients.
func checkClients(o Onion, peers []Peer, t *table) {
	var names []string
	for _, p := range peers {
		names = append(names, p.Name)
	}
	for i, c := range o.Clients {
		path := fmt.Sprintf("clients[%d]", i)
		switch {
		case c.Peer != "" && !slices.Contains(names, c.Peer):
			t.doc.add(path, problemf(noFriendHint(c.Peer, names), "no friend is called %q", c.Peer))
		case c.Label != "" && slices.Contains(names, c.Label):
			t.doc.add(path, problemf("call the bearer of the key something else", "%q is the name of a friend", c.Label))
		}
	}
}

func noFriendHint(name string, names []string) string {
	if hint := didYouMean(name, names); hint != "" {
		return hint
	}
	return "`tunic friends` lists them; somebody without a box gets a key, once the onion is there (publish it with --private): " +
		"`tunic grant ONION " + name + " --new`"
}

// Restricted reports whether not everybody who knows its address finds an onion: ClientKeys
// has those who do.
func (o Onion) Restricted() bool { return !o.Public && (o.Private || o.Name == HomeOnion) }

// ClientKeys are the keys of those who may find an onion, sorted; nil means
// everybody who knows its address. Of home these are all friends, until its
// owner says public.
func (c *Config) ClientKeys(o Onion) []string {
	if !o.Restricted() {
		return nil
	}
	home := o.Name == HomeOnion
	keys := []string{}
	for _, client := range o.Clients {
		if client.Key != "" {
			keys = append(keys, client.Key)
		}
	}
	for _, p := range c.Peers {
		if home || slices.ContainsFunc(o.Clients, func(c Client) bool { return c.Peer == p.Name }) {
			keys = append(keys, p.ClientKey)
		}
	}
	if home {
		keys = append(keys, c.Invited...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Findable reports whether anybody may find an onion: all who know its address, or those whom
// ClientKeys has.
func (c *Config) Findable(o Onion) bool {
	if !o.Restricted() {
		return true
	}
	if o.Name == HomeOnion && len(c.Peers)+len(c.Invited) > 0 {
		return true
	}
	for _, client := range o.Clients {
		if client.Key != "" {
			return true
		}
		for i := range c.Peers { // asked of each onion in each pass: none is copied
			if c.Peers[i].Name == client.Peer {
				return true
			}
		}
	}
	return false
}
