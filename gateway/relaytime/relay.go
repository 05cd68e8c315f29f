package relaytime

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Fingerprint is the SHA-1 of a relay's RSA identity key, by which directory
// authorities and bridges are known.
type Fingerprint [20]byte

// parseFingerprint reads 40 hex digits, with or without spaces and a first $.
func parseFingerprint(text string) (Fingerprint, error) {
	var f Fingerprint
	b, err := hex.DecodeString(strings.TrimPrefix(strings.ReplaceAll(text, " ", ""), "$"))
	if err != nil || len(b) != len(f) {
		return f, errors.New("a relay's fingerprint has 40 hex digits")
	}
	return Fingerprint(b), nil
}

// Relay is one that can be asked.
type Relay struct {
	Name  string           // for people
	Addrs []netip.AddrPort // of its ORPort, the first is tried first
	ID    Fingerprint
}

// Authorities are the directory authorities of the public network, as tor
// 0.4.9 has them built in (its src/app/config/auth_dirs.inc). A test compares
// them with the tor that is installed.
func Authorities() []Relay {
	relays, err := parseAuthorities(authorities)
	if err != nil {
		panic(err) // a test would have failed
	}
	return relays
}

const authorities = `
DirAuthority moria1 orport=9201 128.31.0.39:9231 1A25C6358DB91342AA51720A5038B72742732498
DirAuthority tor26 orport=443 ipv6=[2a02:16a8:662:2203::1]:443 217.196.147.77:80 FAA4BCA4A6AC0FB4CA2F8AD5A11D9E122BA894F6
DirAuthority dizum orport=443 45.66.35.11:80 7EA6EAD6FD83083C538F44038BBFA077587DD755
DirAuthority gabelmoo orport=443 ipv6=[2001:638:a000:4140::ffff:189]:443 131.188.40.189:80 F2044413DAC2E02E3D6BCF4735A19BCA1DE97281
DirAuthority dannenberg orport=443 ipv6=[2001:678:558:1000::244]:443 193.23.244.244:80 7BE683E65D48141321C5ED92F075C55364AC7123
DirAuthority maatuska orport=80 ipv6=[2001:67c:289c::9]:80 171.25.193.9:443 BD6A829255CB08E66FBE7D3748363586E46B3810
DirAuthority longclaw orport=443 199.58.81.140:80 74A910646BCEEFBCD2E874FC1DC997430F968145
DirAuthority bastet orport=443 ipv6=[2620:13:4000:6000::1000:118]:443 204.13.164.118:80 24E2F139121D4394C54B5BCC368B3B411857C413
DirAuthority faravahar orport=443 216.218.219.41:80 E3E42D35F801C9D5AB23584E0025D56FE2B33396
`

// parseAuthorities returns the directory authorities that lines of a torrc name
// (tor(1), DirAuthority); other lines mean nothing to it. One without an ORPort
// cannot be asked and is an error, as is one that cannot be read.
func parseAuthorities(torrc string) ([]Relay, error) {
	var relays []Relay
	for line := range strings.Lines(torrc) {
		words := strings.Fields(strings.TrimLeft(line, " \t+/"))
		if len(words) == 0 || !strings.EqualFold(words[0], "DirAuthority") {
			continue
		}
		r, err := parseAuthority(words[1:])
		if err != nil {
			return nil, fmt.Errorf("reading a directory authority: %w", err)
		}
		relays = append(relays, r)
	}
	return relays, nil
}

// parseAuthority reads [NAME] KEY=VALUE... ADDRESS:DIRPORT FINGERPRINT.
func parseAuthority(words []string) (Relay, error) {
	var r Relay
	var orport, six string
	for i, word := range words {
		key, value, flag := strings.Cut(word, "=")
		at, err := netip.ParseAddrPort(word)
		switch {
		case flag && key == "orport":
			orport = value
		case flag && key == "ipv6":
			six = value
		case err == nil:
			return r.complete(at.Addr(), orport, six, strings.Join(words[i+1:], ""))
		case i == 0:
			r.Name = word
		}
	}
	return r, errors.New("it has no address")
}

// complete fills in the addresses of the ORPort and the identity.
func (r Relay) complete(four netip.Addr, orport, six, id string) (Relay, error) {
	at, err := netip.ParseAddrPort(netip.AddrPortFrom(four, 0).Addr().String() + ":" + orport)
	if err != nil {
		return r, fmt.Errorf("%s has no ORPort", r.Name)
	}
	r.Addrs = append(r.Addrs, at)
	if six != "" {
		if at, err = netip.ParseAddrPort(six); err != nil {
			return r, fmt.Errorf("%s: %w", r.Name, err)
		}
		r.Addrs = append(r.Addrs, at)
	}
	r.ID, err = parseFingerprint(id)
	return r, err
}
