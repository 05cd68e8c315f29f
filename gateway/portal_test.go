package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
)

// What a portal is asked to let through is a network or a host, and who answers
// names is another host: nothing else comes as far as the rules.
func TestPortalWords(t *testing.T) {
	for text, want := range map[string]string{"10.0.0.7": "10.0.0.7/32", "10.0.0.7/24": "10.0.0.0/24", "fd00::1": "fd00::1/128", "::ffff:10.0.0.7": "10.0.0.7/32",
		"x": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/120": "", "10.0.0.0/33": ""} {
		p, err := parsePortal(api.PortalRequest{To: []string{text}})
		if want == "" && err == nil || want != "" && (err != nil || len(p.To) != 1 || p.To[0].String() != want) {
			t.Errorf("--to %s: %v, %v", text, p.To, err)
		}
	}
	for text, ok := range map[string]bool{"10.0.0.1": true, "::ffff:10.0.0.1": true, "127.0.0.1": false, "0.0.0.0": false, "fe80::1%eth0": false, "x": false, "224.0.0.1": false} {
		p, err := parsePortal(api.PortalRequest{Resolver: text})
		if (err == nil) != ok || ok && !slices.Equal(p.Resolvers, []netip.Addr{netip.MustParseAddr("10.0.0.1")}) {
			t.Errorf("--resolver %s: %v, %v", text, p.Resolvers, err)
		}
	}
}

// deaf is a box that was told of no DNS server.
type deaf struct{ fakeSystem }

func (deaf) Resolvers() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("127.0.0.53")}
}

func TestPortalWithoutAResolver(t *testing.T) {
	h := newHouse(t, nil)
	h.System = deaf{fakeSystem{h.box}}
	h.running(t)
	h.took()
	_, err := h.Portal(t.Context(), api.PortalRequest{Device: "phone"})
	if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage || !strings.Contains(err.Error(), "no DNS server") {
		t.Errorf("%v", err)
	}
	if j := h.took(); strings.Contains(j, "rules") {
		t.Errorf("did %s", j)
	}
}

// Keys that are not there are not deleted, and those of home never are.
func TestForgetKeysOfNobody(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	for name, forget := range map[string]func(string) error{
		"the verb": func(name string) error {
			return h.Unpublish(t.Context(), api.UnpublishRequest{Name: name, ForgetKey: true})
		},
		"the keys": func(name string) error { return h.rotations.forgetKeys(h.Paths, name) },
		"without a daemon": func(name string) error {
			return UnpublishAlone(h.Paths, api.UnpublishRequest{Name: name, ForgetKey: true})
		},
	} {
		for _, onion := range []string{"home", "nobody", "../onions/home"} {
			err := forget(onion)
			if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
				t.Errorf("%s, %s: %v", name, onion, err)
			}
		}
	}
	if !isDir(h.Paths.OnionKeys("home")) {
		t.Error("the keys of home are gone")
	}
}
