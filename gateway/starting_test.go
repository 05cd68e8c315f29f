package gateway

import (
	"net/netip"
	"slices"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Who asks for the status before the first pass is answered.
func TestStatusBeforeThePass(t *testing.T) {
	h := newHouse(t, nil)
	if s := h.Gateway.Status(t.Context()); s.Ready || s.Why != "starting" {
		t.Errorf("ready %v, %q", s.Ready, s.Why)
	}
}

// Before Tor is connected serve has the page and nothing that would want Tor; once it has had
// all it keeps that, whatever becomes of Tor.
func TestPageBeforeTor(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": "[ports]\n80 = \"192.168.77.20:80\"\n"})
	h.set(func() {
		h.around = feature.Surroundings{Links: []feature.Link{lan(), wan()}}
		h.fakes.status = tor.Status{Running: true, Bootstrap: 10}
	})
	h.pass(t.Context())
	d := h.fakes.served
	if h.snapshot().state != api.Closed || d.Page == nil || len(d.Page.DNS) == 0 || len(d.Page.Shares) > 0 ||
		len(d.Fronts)+len(d.DNS.Listeners)+len(d.SOCKS.Listeners) > 0 || len(d.DNS.Box) == 0 {
		t.Errorf("%s: %+v", h.snapshot().state, d)
	}
	for _, l := range h.listening {
		if !slices.ContainsFunc([]uint16{config.ServePagePort, config.ServePageTLSPort, config.ServeClosedDNSPort}, func(port uint16) bool {
			return l.Port == port
		}) {
			t.Errorf("it listens for %+v", l)
		}
	}
	flow := rules.Flow{In: "br-lan", MAC: "02:00:00:00:00:99", From: netip.MustParseAddr("192.168.77.10"),
		To: netip.MustParseAddrPort("192.168.77.1:80"), Protocol: "tcp", Local: true}
	if e, err := rules.Explain(h.loaded, flow); err != nil || e.Port != config.ServePagePort {
		t.Errorf("the page is not reached: %+v, %v", e, err)
	}
	h.set(func() { h.fakes.status.Bootstrap = 100 })
	h.pass(t.Context())
	if d := h.fakes.served; h.snapshot().state != api.Open || len(d.Fronts) == 0 || len(d.SOCKS.Listeners) == 0 {
		t.Errorf("%s: %+v", h.snapshot().state, d)
	}
	h.opened = false
	h.set(func() { h.fakes.status.Bootstrap = 10 })
	h.pass(t.Context())
	if d := h.fakes.served; len(d.Fronts) == 0 {
		t.Errorf("what serve had is taken away: %+v", d)
	}
}
