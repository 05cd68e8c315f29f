package gateway

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/rules"
)

// friendly is a feature by which a friend has a name, at whose port 1 serve is.
type friendly struct{ label *string }

func (friendly) Name() string { return "friendly" }

func (f friendly) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Want(wantLabel, *f.label)
}

func wantLabel(s feature.Scene, d *feature.Desired, label string) {
	at := s.Ranges.Virtual4.Addr().Next()
	if label == "" {
		return
	}
	d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Label: label, Addrs: []netip.Addr{at}})
	d.Rules.Services = append(d.Rules.Services, rules.Service{Name: "services", Public: 1, Internal: 9999, To: at})
}

// A new friend's name comes after the rules that lead its ports: whoever is told of it
// dials it at once. Without the rules there is no name.
func TestNameComesAfterItsRules(t *testing.T) {
	h, label := newHouse(t, nil), ""
	h.Features = append(h.Features, friendly{&label})
	named := func() bool {
		for _, n := range h.told().DNS.Names {
			if n.Label == label {
				return true
			}
		}
		return false
	}
	if h.pass(t.Context()); !h.opened {
		t.Fatal(h.snapshot().why)
	}
	h.took()
	label = "alice"
	h.set(func() { h.fail["rules"] = errBroken })
	if h.pass(t.Context()); named() {
		t.Error("it has a name without its rules")
	}
	h.set(func() { delete(h.fail, "rules") })
	label = ""
	h.pass(t.Context())
	h.took()
	label = "alice"
	h.pass(t.Context())
	if order := h.took(); strings.Count(order, "serve ") != 2 || strings.Index(order, "rules open") > strings.LastIndex(order, "serve ") ||
		strings.Index(order, "rules open") < strings.Index(order, "serve ") || !named() {
		t.Errorf("%s; it has a name: %v", order, named())
	}
	h.pass(t.Context())
	if order := h.took(); strings.Count(order, "serve ") != 1 || !named() {
		t.Errorf("when nothing has changed: %s", order)
	}
}
