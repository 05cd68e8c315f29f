package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxInterfaceName is IFNAMSIZ less the final NUL.
const maxInterfaceName = 15

// The widest household prefixes that are taken for one: more would exempt half
// of the internet from Tor (leak L36).
const (
	minPrefixBits4 = 8
	minPrefixBits6 = 32
)

// validate returns everything that is impossible in the input, joined.
func (in Input) validate() error {
	return errors.Join(
		in.validateInterfaces(),
		in.validateNamed(),
		in.validatePrefixes(),
		in.validateDevices(),
		in.validateCarriers(),
		in.validateChildren(),
		in.validateServices(),
		in.validateVirtual(),
		in.validateNetworks(),
		in.validateExceptions(),
		in.validatePasses(),
		in.validateBypasses(),
		in.validateGuests(),
		in.validateOpen(),
	)
}

func (in Input) validateInterfaces() error {
	var errs []error
	for _, name := range in.Interfaces {
		if !validInterface(name) {
			errs = append(errs, fmt.Errorf("household interface %q is not a possible name: 1 to %d letters, digits and . _ @ -, and not lo",
				name, maxInterfaceName))
		}
	}
	return errors.Join(errs...)
}

// validateNamed checks what passes beside the household because it is named.
func (in Input) validateNamed() error {
	var errs []error
	for _, name := range in.Others {
		if !validInterface(name) || slices.Contains(in.Interfaces, name) {
			errs = append(errs, fmt.Errorf("other network %q is not a possible name, or the household's", name))
		}
	}
	for _, name := range in.Bridges {
		if !validInterface(name) || slices.Contains(in.Interfaces, name) {
			errs = append(errs, fmt.Errorf("bridge %q is not a possible name, or the household's", name))
		}
	}
	for _, i := range in.Inbound {
		if i.Port == 0 || i.Protocol != ProtocolTCP && i.Protocol != ProtocolUDP {
			errs = append(errs, fmt.Errorf("inbound protocol %d, port %d, is no port of TCP or UDP", i.Protocol, i.Port))
		}
	}
	return errors.Join(errs...)
}

func validInterface(name string) bool {
	if name == "" || len(name) > maxInterfaceName || name == "lo" || strings.Trim(name, ".") == "" || name[0] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && !strings.ContainsRune("._@-", rune(c)) {
			return false
		}
	}
	return true
}

func (in Input) validatePrefixes() error {
	var errs []error
	for _, p := range in.Prefixes {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("household prefix %v is not a network address", p))
			continue
		}
		least := minPrefixBits6
		if p.Addr().Is4() {
			least = minPrefixBits4
		}
		if p.Bits() < least || p.Addr().IsLoopback() || p.Addr().IsMulticast() {
			errs = append(errs, fmt.Errorf("household prefix %v is no home network: loopback, multicast, or wider than /%d", p, least))
		}
	}
	return errors.Join(errs...)
}

func (in Input) validateDevices() error {
	var errs []error
	seen := make(map[string]bool)
	for _, d := range in.Devices {
		if !validMAC(d.MAC) {
			errs = append(errs, fmt.Errorf("device address %q is not a MAC address of one host, lower case with colons", d.MAC))
		}
		if !d.Policy.valid() {
			errs = append(errs, fmt.Errorf("device %s has no possible policy (%d)", d.MAC, d.Policy))
		}
		if seen[d.MAC] {
			errs = append(errs, fmt.Errorf("device %s is listed twice", d.MAC))
		}
		seen[d.MAC] = true
	}
	return errors.Join(errs...)
}

// validMAC accepts "02:00:5e:10:00:01", not a group address and not all zeros.
func validMAC(mac string) bool {
	if len(mac) != 17 || mac == "00:00:00:00:00:00" {
		return false
	}
	for i := range len(mac) {
		digit := strings.IndexByte("0123456789abcdef", mac[i])
		switch {
		case i%3 == 2 && mac[i] != ':', i%3 != 2 && digit < 0:
			return false
		case i == 1 && digit%2 == 1: // the group bit of the first octet
			return false
		}
	}
	return true
}

func (in Input) validateServices() error {
	var errs []error
	type place struct {
		port    uint16
		virtual bool
		to      netip.Addr
		mode    Mode
	}
	public := make(map[place]bool)
	internal := make(map[uint16]bool)
	of := make(map[uint16]string) // which service has an internal port; it may be led to from several addresses
	for _, k := range in.Carriers {
		for _, port := range k.ports() {
			internal[port] = true
		}
	}
	if in.NTPPort != 0 && internal[in.NTPPort] {
		errs = append(errs, fmt.Errorf("the time server's port %d is taken", in.NTPPort))
	}
	if in.OwnTime != 0 && (!in.OwnTor || internal[in.OwnTime] || in.OwnTime == in.NTPPort) {
		errs = append(errs, fmt.Errorf("the port %d for the box's own questions for the time is taken, or its traffic goes direct",
			in.OwnTime))
	}
	if in.OwnDNS != 0 && (!in.OwnTor || internal[in.OwnDNS]) {
		errs = append(errs, fmt.Errorf("the port %d for the box's own questions of the DNS is taken, or its traffic goes direct",
			in.OwnDNS))
	}
	if in.OwnDNS != 0 {
		internal[in.OwnDNS] = true
	}
	if in.OwnTime != 0 {
		internal[in.OwnTime] = true
	}
	if in.NTPPort != 0 {
		public[place{port: ntpPort, mode: Open}], internal[in.NTPPort] = true, true
	}
	for _, s := range in.Services {
		if s.Public == 0 || s.Internal == 0 {
			errs = append(errs, fmt.Errorf("service %q needs a public and an internal port", s.Name))
			continue
		}
		again := of[s.Internal] == s.Name && s.To.IsValid()
		taken := internal[s.Internal] && !again
		for _, m := range []Mode{Lockdown, Open} {
			at := place{s.Public, s.Virtual, s.To, m}
			taken = taken || s.When.in(m) && public[at]
			public[at] = public[at] || s.When.in(m)
		}
		if taken {
			errs = append(errs, fmt.Errorf("service %q wants a port that is taken: public %d, internal %d", s.Name, s.Public, s.Internal))
		}
		if s.When > WhileClosed || s.When != WhileOpen && (s.Virtual || s.To.IsValid()) {
			errs = append(errs, fmt.Errorf("service %q is there in lockdown: it must be at the box's own addresses", s.Name))
		}
		if s.Virtual && (s.UDP || s.To.IsValid()) {
			errs = append(errs, fmt.Errorf("service %q is at every virtual address: it must be for TCP alone, and at no other", s.Name))
		}
		if s.To.IsValid() && (s.UDP || !in.Virtual4.Contains(s.To) && !in.Virtual6.Contains(s.To)) {
			errs = append(errs, fmt.Errorf("service %q has the address %v: it must be a virtual one, and for TCP alone", s.Name, s.To))
		}
		internal[s.Internal], of[s.Internal] = true, s.Name
	}
	return errors.Join(errs...)
}

func (in Input) validateVirtual() error {
	var errs []error
	if v := in.Virtual4; v.IsValid() && (!v.Addr().Is4() || v != v.Masked() || v.Bits() < minPrefixBits4) {
		errs = append(errs, fmt.Errorf("virtual range %v is not an IPv4 network address", v))
	}
	if v := in.Virtual6; v.IsValid() && (!v.Addr().Is6() || v.Addr().Is4In6() || v != v.Masked() || v.Bits() < minPrefixBits6) {
		errs = append(errs, fmt.Errorf("virtual range %v is not an IPv6 network address", v))
	}
	for _, v := range []netip.Prefix{in.Virtual4, in.Virtual6} {
		if v.IsValid() && (v.Addr().IsLoopback() || v.Addr().IsLinkLocalUnicast() || v.Addr().IsMulticast()) {
			errs = append(errs, fmt.Errorf("virtual range %v is loopback, link-local or multicast: nothing there reaches the box", v))
		}
		for _, p := range in.Prefixes {
			if v.IsValid() && p.IsValid() && v.Overlaps(p) {
				errs = append(errs, fmt.Errorf("virtual range %v overlaps the household's %v: choose another range", v, p))
			}
		}
	}
	return errors.Join(errs...)
}

func (in Input) validateExceptions() error {
	var errs []error
	for _, e := range in.Exceptions {
		ports := e.Protocol == ProtocolTCP || e.Protocol == ProtocolUDP
		if p := e.To; !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().IsUnspecified() || tooWide(p) {
			errs = append(errs, fmt.Errorf("exception to %v, which is no network, or wider than one can be let through", p))
		}
		if e.Protocol == 0 || ports != (e.Port != 0) {
			errs = append(errs, fmt.Errorf("exception to %v is for no protocol, or not for one port of TCP or UDP", e.To))
		}
	}
	return errors.Join(errs...)
}

// validateOpen checks what only a household that is open must have. Lockdown
// has to work when almost nothing is known.
func (in Input) validateOpen() error {
	if in.Mode == Lockdown {
		return nil
	}
	if in.Mode != Open {
		return fmt.Errorf("mode %d is neither lockdown nor open", in.Mode)
	}
	var errs []error
	if len(in.Interfaces) == 0 {
		errs = append(errs, errors.New("an open household needs an interface"))
	}
	if !in.Default.valid() {
		errs = append(errs, fmt.Errorf("the default policy (%d) is none of tor, onion, direct, block", in.Default))
	}
	if !in.Virtual4.IsValid() || !in.Virtual6.IsValid() {
		errs = append(errs, errors.New("virtual ranges of both families must be known"))
	}
	if _, ok := in.dns(); !ok {
		errs = append(errs, errors.New("an open household needs a service on UDP and TCP port 53: its questions have nowhere else to go"))
	}
	return errors.Join(errs...)
}
