package rules

import (
	"net/netip"
	"strings"
	"testing"
)

func guestHouse(guests ...Guest) Input {
	in := house()
	in.Guests = guests
	return in
}

// Nobody but the guest gets a rule, and without guests there is no trace of them.
func TestPortalIsForGuestsOnly(t *testing.T) {
	in := scenarios()["lockdown-portal"]
	text := mustCompile(t, in).String()
	if strings.Contains(text, "--set-xmark 0x5000000") != true {
		t.Error("no connection is marked")
	}
	for line := range strings.Lines(text) {
		opens := strings.Contains(line, "--set-xmark 0x5000000") || strings.Contains(line, "-j DNAT")
		if opens && !strings.Contains(line, "--mac-source "+macTor) && !strings.Contains(line, "--mac-source "+macGuest) {
			t.Errorf("not for guests only: %s", line)
		}
	}
	in.Guests = nil
	if text := mustCompile(t, in).String(); strings.Contains(text, "0x5000000") {
		t.Error("without guests there is still a portal")
	}
}

func TestPortalRefuses(t *testing.T) {
	addr := netip.MustParseAddr
	for name, g := range map[string]Guest{
		"no device":            {},
		"a group":              {MAC: "01:00:00:00:00:01"},
		"loopback":             {MAC: macTor, Resolvers: []netip.Addr{addr("127.0.0.53")}},
		"a zone":               {MAC: macTor, Resolvers: []netip.Addr{addr("fe80::1%wan")}},
		"two of a family":      {MAC: macTor, Resolvers: []netip.Addr{addr("9.9.9.9"), addr("8.8.8.8")}},
		"no address":           {MAC: macTor, Resolvers: []netip.Addr{{}}},
		"host bits in a range": {MAC: macTor, To: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/24")}},
	} {
		if _, err := Compile(guestHouse(g)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Compile(guestHouse(Guest{MAC: macTor}, Guest{MAC: macTor})); err == nil {
		t.Error("one device twice: no error")
	}
	in := house()
	in.Devices[0].Policy = Portal
	if _, err := Compile(in); err == nil {
		t.Error("portal is no device's policy")
	}
}
