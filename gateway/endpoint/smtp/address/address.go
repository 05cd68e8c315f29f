// Package address knows the mail addresses of onions: bob@KEY.peer.home.arpa,
// where KEY is the 56 letters of the onion's address, and the petnames that a
// household uses in their place (bob@alice.peer.home.arpa).
//
// Use it on what people and strangers write: an envelope's path, a header that
// holds addresses. It is pure; who is called what comes from a Book. It knows
// no names of the internet's mail beyond their shape: whether such a mailbox
// may be written to is for others to say.
package address

import (
	"errors"
	"strings"

	"tunic/gateway/onion"
)

// Suffix ends the names of onions that travel between houses (RFC 8375).
const Suffix = ".peer.home.arpa"

// onionSuffix ends the same names as Tor knows them (RFC 7686).
const onionSuffix = ".onion"

// Limits of RFC 5321, section 4.5.3.1.
const (
	maxLocal  = 64
	maxDomain = 253
)

// Errors of Parse. None repeats what was parsed.
var (
	ErrSyntax = errors.New("this is no mail address")
	ErrRoute  = errors.New("addresses with a route in them (%, !, quotes) are not taken here")
)

// Mailbox is a mail address. Parse makes valid ones: both parts ASCII, the
// domain in lower case.
type Mailbox struct {
	Local  string
	Domain string
}

// String is the form of an envelope, "" for the null sender.
func (m Mailbox) String() string {
	if m == (Mailbox{}) {
		return ""
	}
	return m.Local + "@" + m.Domain
}

// User is the local part as this box compares it: without regard to case, and
// without a detail after "+" (RFC 5233).
func (m Mailbox) User() string {
	user, _, _ := strings.Cut(m.Local, "+")
	return strings.ToLower(user)
}

// Key returns the onion that the mailbox belongs to.
func (m Mailbox) Key() (onion.Address, bool) { return Key(m.Domain) }

// Domain is an onion's name in mail addresses, in every house.
func Domain(key onion.Address) string { return string(key) + Suffix }

// Key finds the onion in a domain: "KEY.peer.home.arpa" or "KEY.onion", and no
// name below it, so that two spellings of a mailbox are few.
func Key(domain string) (onion.Address, bool) {
	for _, suffix := range []string{Suffix, onionSuffix} {
		if name, ok := strings.CutSuffix(domain, suffix); ok {
			key, err := onion.Parse(name)
			return key, err == nil
		}
	}
	return "", false
}

// Parse reads a mailbox as it stands in an envelope, without <>. It takes the
// dot-atom form of the local part alone (RFC 5321, section 4.1.2), and of that
// nothing by which old servers were told to send mail on.
func Parse(text string) (Mailbox, error) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return Mailbox{}, ErrSyntax
	}
	local, domain := text[:at], strings.ToLower(strings.TrimSuffix(text[at+1:], "."))
	if strings.ContainsAny(local, "%!@\"\\:") {
		return Mailbox{}, ErrRoute
	}
	if !isDotAtom(local) || len(local) > maxLocal || !isHostName(domain) {
		return Mailbox{}, ErrSyntax
	}
	return Mailbox{Local: local, Domain: domain}, nil
}

// isDotAtom reports whether s is a dot-atom of RFC 5322, section 3.2.3.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !isAlphanumeric(c) && strings.IndexByte("#$&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// isHostName reports whether s is a name of RFC 1123, section 2.1, with at
// least two labels: neither an address literal nor a host of the LAN.
func isHostName(s string) bool {
	if len(s) > maxDomain || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !isDomainByte(c) {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isDomainByte(c byte) bool { return isAlphanumeric(c) || c == '-' }
