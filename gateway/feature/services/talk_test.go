package services

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/supervise"
	"tunic/rules"
)

// All friends have a table, to which the house's devices and root on the box are led, as
// long as the owner has not switched them off.
func TestTables(t *testing.T) {
	f, h, _ := house(t)
	h.now.Config.Services = nil
	if d, _ := look(f, h); d.Serve.Services != nil && (len(d.Serve.Services.Own) > 0 || d.Serve.Services.Table != "") {
		t.Errorf("switched off: %+v", d.Serve.Services)
	}
	h.now.Config.Gateway.Talk = true
	d, r := look(f, h)
	w := d.Serve.Services
	if w == nil || len(w.Own) != 1 || len(r.Findings) > 0 || w.Home != friend(1) {
		t.Fatalf("%+v, %v", w, r.Findings)
	}
	if o := w.Own[0]; o.Name != "talk" || !o.Talk || o.Command || len(o.Friends) != 2 || o.Friends[1].Onion != friend(3) || o.AtOnce < 2 {
		t.Errorf("%+v", o)
	}
	h.now.Offered = map[onion.Address][]link.ServiceOffer{address(2): {{Name: "nine", Port: 564}}}
	d, _ = look(f, h)
	led := slices.DeleteFunc(d.Rules.Services, func(s rules.Service) bool { return s.Internal != config.ServeServicesPort })
	if len(led) != 3 || led[0] != (rules.Service{Name: "services", Public: 1, Internal: config.ServeServicesPort}) || !led[1].To.IsValid() {
		t.Errorf("devices are not led to their own box, and then to friends: %+v", led) // in the order that rules want
	}
	last := d.Listeners[slices.IndexFunc(d.Listeners, func(l supervise.ListenerSpec) bool { return l.Name == w.Table })]
	if last.Network != "unix" || last.Mode != 0o600 || last.UID != 0 || last.GID != 0 || last.Path != f.Paths.Table() {
		t.Errorf("the box's own: %+v", last)
	}
	h.now.Config.Peers = nil
	if d, _ := look(f, h); d.Serve.Services != nil && d.Serve.Services.Table != "" {
		t.Errorf("without friends: %+v", d.Serve.Services)
	}
}

// The status says who has knocked, by the name that the house has for them, for a day.
func TestKnocks(t *testing.T) {
	f, h, _ := house(t)
	h.now.Config.Gateway.Talk = true
	s := h.now.Scene
	s.Served.Knocks = []link.Knock{{Friend: friend(2), At: time.Now()}, {Friend: friend(3), At: time.Now().Add(-25 * time.Hour)},
		{Friend: friend(9), At: time.Now()}, {Friend: friend(2), At: time.Now().Add(time.Hour)}} // one is told of a friend
	var status api.Status
	f.Report(t.Context(), s, &status)
	if len(status.Findings) != 1 || status.Findings[0].Code != health.FriendKnocked || status.Findings[0].Subject != "bob" ||
		status.Findings[0].Severity != health.Info || !strings.Contains(status.Findings[0].Text, "bob wanted to talk") {
		t.Errorf("%+v", status.Findings)
	}
	s.Config.Gateway.Talk = false
	status.Findings = nil
	if f.Report(t.Context(), s, &status); len(status.Findings) > 0 {
		t.Errorf("switched off: %+v", status.Findings)
	}
}
