package address

import (
	"fmt"
	"strings"

	"tunic/gateway/onion"
)

// boxName is what devices may call the box.
const boxName = "box.home.arpa"

// Book says who is called what in this house.
type Book struct {
	Own   onion.Address            // this box's home
	Peers map[string]onion.Address // by petname
}

// UnknownPetnameError is returned for a petname that this house does not use.
type UnknownPetnameError struct{ Name string }

func (e *UnknownPetnameError) Error() string {
	return fmt.Sprintf("no friend is called %q in this house", e.Name)
}

// Petname returns what this house calls an onion, "" if nothing.
func (b Book) Petname(key onion.Address) string {
	for name, k := range b.Peers {
		if k == key {
			return name
		}
	}
	return ""
}

// Resolve returns the domain by which every house knows what this one calls
// domain: a petname's and the box's names become KEY names, an onion's own
// spelling the usual one, and all others stay.
func (b Book) Resolve(domain string) (string, error) {
	domain = strings.ToLower(domain)
	if key, ok := Key(domain); ok {
		return Domain(key), nil
	}
	if domain == boxName {
		return Domain(b.Own), nil
	}
	name, ok := strings.CutSuffix(domain, Suffix)
	if !ok {
		return domain, nil
	}
	key, ok := b.Peers[name]
	if !ok {
		return "", &UnknownPetnameError{Name: name}
	}
	return Domain(key), nil
}

// ResolveMailbox is Resolve for a whole address.
func (b Book) ResolveMailbox(m Mailbox) (Mailbox, error) {
	domain, err := b.Resolve(m.Domain)
	return Mailbox{Local: m.Local, Domain: domain}, err
}
