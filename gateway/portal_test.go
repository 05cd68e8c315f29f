package gateway

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature/onions"
)

// deaf is a box that was told of no DNS server.
type deaf struct{ fakeSystem }

func (deaf) Resolvers() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("127.0.0.53")}
}

func TestPortalWithoutAResolver(t *testing.T) {
	h := newHouse(t, nil)
	h.devices.Feature.System = deaf{fakeSystem{h.fakes}}
	h.running(t)
	h.took()
	_, err := h.devices.Portal(t.Context(), api.PortalRequest{Device: "phone"})
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
			return h.onions.Unpublish(t.Context(), api.UnpublishRequest{Name: name, ForgetKey: true})
		},
		"without a daemon": func(name string) error {
			return onions.UnpublishAlone(h.Paths, api.UnpublishRequest{Name: name, ForgetKey: true})
		},
	} {
		for _, onion := range []string{"home", "nobody", "../onions/home"} {
			err := forget(onion)
			if f, ok := errors.AsType[*api.Failure](err); !ok || !f.Usage {
				t.Errorf("%s, %s: %v", name, onion, err)
			}
		}
	}
	if _, err := os.Stat(h.Paths.OnionKeys("home")); err != nil {
		t.Error("the keys of home are gone")
	}
}
