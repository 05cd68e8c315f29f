package household

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
)

// What a portal is asked to let through is a network or a host, and who answers
// names is another host: nothing else comes as far as the rules.
func TestPortalWords(t *testing.T) {
	for text, want := range map[string]string{"10.0.0.7": "10.0.0.7/32", "10.0.0.7/24": "10.0.0.0/24", "fd00::1": "fd00::1/128",
		"::ffff:10.0.0.7": "10.0.0.7/32",
		"x":               "", "fe80::1%eth0": "", "::ffff:10.0.0.0/120": "", "10.0.0.0/33": ""} {
		p, err := parsePortal(api.PortalRequest{To: []string{text}})
		if want == "" && err == nil || want != "" && (err != nil || len(p.To) != 1 || p.To[0].String() != want) {
			t.Errorf("--to %s: %v, %v", text, p.To, err)
		}
	}
	for text, ok := range map[string]bool{"10.0.0.1": true, "::ffff:10.0.0.1": true, "127.0.0.1": false, "0.0.0.0": false,
		"fe80::1%eth0": false, "x": false, "224.0.0.1": false} {
		p, err := parsePortal(api.PortalRequest{Resolver: text})
		if (err == nil) != ok || ok && !slices.Equal(p.Resolvers, []netip.Addr{netip.MustParseAddr("10.0.0.1")}) {
			t.Errorf("--resolver %s: %v, %v", text, p.Resolvers, err)
		}
	}
}

func TestOneResolverOfEachFamily(t *testing.T) {
	var got []netip.Addr
	for _, text := range []string{"10.0.0.1", "fe80::1%wan", "2001:db8::1", "10.0.0.2"} {
		got = append(got, netip.MustParseAddr(text))
	}
	if one := oneOfEach(got); len(one) != 2 || one[0].String() != "10.0.0.1" || one[1].String() != "2001:db8::1" {
		t.Errorf("usable: %v", one)
	}
}

func TestAddressesAreNoNamesOfDevices(t *testing.T) {
	for word, want := range map[string]string{"tv": "", "192.168.1.30": "that `tunic devices` shows",
		"02:00:5e:10:00:01": "tunic device NAME --mac 02:00:5e:10:00:01"} {
		if got := nameHint(word); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", word, got)
		}
	}
}
