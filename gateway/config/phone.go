package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Phone is phones/NAME.toml: a telephone, or a computer, of one of the household that
// reaches the box's mail and chat from anywhere, by an onion that is its alone.
type Phone struct {
	Name string // 1 to 25 letters
	User string // whose it is; while there is no such user it is shut out
	Key  string // x25519 public key by which its tor finds the onion: 52 letters, upper case
}

// phonePrefix begins the names of phones' onions, and maxPhone is what is left of an
// onion's name.
const (
	phonePrefix = "away-"
	maxPhone    = 30 - len(phonePrefix)
)

// Onion is the name of the phone's onion, "away-NAME", which has no file.
func (p Phone) Onion() string { return phonePrefix + p.Name }

// Endpoints that phones' onions alone lead to: what devices at home reach without one.
const (
	IMAPEndpoint       = "imap"
	SubmissionEndpoint = "submission"
	ChatEndpoint       = "xmpp" // for clients
)

// SubmissionPort is where mail programs hand mail in (RFC 6409).
const SubmissionPort uint16 = 587

// phones reads phones/NAME.toml, after the onions.
func (l *loader) phones(cfg *Config) {
	l.each(l.paths.PhoneDir(), func(name string, t *table) {
		p := readPhone(name, t)
		if slices.ContainsFunc(cfg.Onions, func(o Onion) bool { return o.Name == p.Onion() }) {
			t.doc.add("", problemf("give one of them another name", "onions/%s.toml has the name of its onion", p.Onion()))
		}
		for _, other := range cfg.Phones {
			if p.Key != "" && p.Key == other.Key {
				t.add("key", problemf("have a new one made: tunic away add", "it is the key of the phone %s too", other.Name))
			}
		}
		cfg.Phones = append(cfg.Phones, p)
	})
}

// readPhone reads what one file says, without a look at other files.
func readPhone(name string, t *table) Phone {
	p := Phone{Name: name}
	if len(name) > maxPhone {
		t.doc.add("", problemf("give it another name", "the name of a phone has at most %d letters", maxPhone))
	}
	text, ok := t.text("user")
	switch {
	case !t.has("user"):
		t.missing("user", `say whose it is, like user = "ann"`)
	case ok:
		if problem := checkName(text); problem != nil {
			t.add("user", problem)
		}
		p.User = text
	}
	text, ok = t.text("key")
	switch {
	case !t.has("key"):
		t.missing("key", "`tunic away add` makes one")
	case ok:
		key, problem := parseClientKey(strings.TrimPrefix(text, "descriptor:x25519:"))
		if problem != nil {
			t.add("key", problem)
		}
		p.Key = key
	}
	return p
}

// phoneOnions are the onions of phones. Each leads to those of the box's own servers that
// are set up.
func (c *Config) phoneOnions() (list []Onion) {
	ports := c.phonePorts()
	for _, p := range c.Phones {
		list = append(list, Onion{Name: p.Onion(), Private: true, Clients: []Client{{Label: p.Name, Key: p.Key}}, Ports: ports})
	}
	return list
}

func (c *Config) phonePorts() (ports []Port) {
	add := func(port uint16, name string) {
		ports = append(ports, Port{Virtual: port, Target: Target{Endpoint: name}})
	}
	if _, ok := c.Mail(); ok {
		add(SubmissionPort, SubmissionEndpoint)
		add(IMAPSPort, IMAPEndpoint)
	}
	if c.XMPP() {
		add(XMPPPort, ChatEndpoint)
		add(FilesPort, FilesEndpoint)
	}
	return ports
}

// PhoneOf is the phone whose onion has that name.
func (c *Config) PhoneOf(onion string) (Phone, bool) {
	i := slices.IndexFunc(c.Phones, func(p Phone) bool { return p.Onion() == onion })
	if i < 0 {
		return Phone{}, false
	}
	return c.Phones[i], true
}

// IsPhoneOnion reports whether an onion of that name is a phone's that has a file.
func IsPhoneOnion(p Paths, onion string) bool {
	name, ok := strings.CutPrefix(onion, phonePrefix)
	if !ok || checkName(name) != nil {
		return false
	}
	_, err := os.Lstat(p.PhoneFile(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// TOML is the text of the phone's file.
func (p Phone) TOML() string { return fmt.Sprintf("user = \"%s\"\nkey = \"%s\"\n", p.User, p.Key) }

// WritePhone makes the file of a phone. The error is ErrExists if there is one. Callers
// take turns, and Load afterwards.
func WritePhone(p Paths, phone Phone) error {
	path, err := phoneFile(p, phone.Name)
	if err != nil {
		return err
	}
	doc, t := parseDocument(path, []byte(phone.TOML()))
	again := readPhone(phone.Name, t)
	t.finish()
	if len(doc.errs) > 0 {
		return doc.errs
	}
	if !reflect.DeepEqual(again, phone) {
		return fmt.Errorf("writing phone %q: it cannot be written as it is", phone.Name)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing phone %q: %s %w", phone.Name, path, ErrExists)
	}
	return writeFile(path, []byte(phone.TOML()))
}

// RemovePhone removes the file of a phone. The error is fs.ErrNotExist if there is none.
func RemovePhone(p Paths, name string) error {
	path, err := phoneFile(p, name)
	if err != nil {
		return err
	}
	err = removeFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noPhone(name)
	}
	if err != nil {
		return fmt.Errorf("removing the file of phone %q: %w", name, err)
	}
	return nil
}

// noPhone is the error for a name that has no file; it is fs.ErrNotExist.
type noPhone string

func (n noPhone) Error() string        { return fmt.Sprintf("no phone is called %q", string(n)) }
func (n noPhone) Is(target error) bool { return target == fs.ErrNotExist }

// CheckPhoneName says what is wrong with the name of a phone, nil for nothing.
func CheckPhoneName(name string) error {
	if checkName(name) == nil && len(name) <= maxPhone {
		return nil
	}
	return Error{Key: "phone", Msg: fmt.Sprintf("%q is not a valid name for a phone", name),
		Hint: fmt.Sprintf("a phone's name is 1 to %d lower-case letters, digits and hyphens, and begins with a letter or digit", maxPhone)}
}

// phoneFile is the path of a phone's file, for a name that is one.
func phoneFile(p Paths, name string) (string, error) {
	if err := CheckPhoneName(name); err != nil {
		return "", err
	}
	return p.PhoneFile(name), nil
}
