package clock

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/relaytime"
	"tunic/gateway/tor"
)

func scene() feature.Scene {
	return feature.Scene{
		Config: &config.Config{Gateway: config.Gateway{OwnTraffic: config.OwnTor}},
		Facts:  feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}, {Name: "guest"}}},
		TorNow: tor.Status{Bootstrap: 100},
	}
}

// wanted is what the feature wants in a scene, and what it finds.
func wanted(t *testing.T, s feature.Scene) (d feature.Desired, found []health.Finding) {
	t.Helper()
	var r feature.Report
	Feature{}.Look(t.Context(), &s, &r).Add(s, &d)
	return d, r.Findings
}

// The box's own NTP client asks us when nothing of the box's own may leave
// outside Tor, and is told what relays say, or nothing.
func TestOwnTime(t *testing.T) {
	s := scene()
	d, _ := wanted(t, s)
	if n := d.Serve.NTP; n == nil || d.Rules.OwnTime != config.ServeOwnTimePort ||
		!slices.Equal(n.Own, []string{"own-time/udp4", "own-time/udp6"}) || n.Relays != nil {
		t.Errorf("%+v", n)
	}
	s.Facts.RelayTime = &relaytime.Note{Start: time.Unix(1000, 0), Error: time.Second, Count: 5, Asked: 9, Boot: time.Minute}
	d, _ = wanted(t, s)
	if n := d.Serve.NTP; n.Relays == nil ||
		*n.Relays != (link.RelayTime{Start: time.Unix(1000, 0), Error: time.Second, Boot: time.Minute}) {
		t.Errorf("%+v", n)
	}
	s.Config.Gateway.OwnTraffic = config.OwnDirect
	if d, _ := wanted(t, s); d.Serve.NTP != nil || d.Rules.OwnTime != 0 {
		t.Errorf("%+v", d.Serve.NTP)
	}
}

// Devices are told the time on interfaces that are there, if somebody said so, and
// servers that are named may be asked.
func TestDevicesAreTold(t *testing.T) {
	s := scene()
	s.Config.Gateway.NTP = true
	s.Config.Gateway.NTPServers = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	d, _ := wanted(t, s)
	if n := d.Serve.NTP; d.Rules.NTPPort != config.ServeNTPPort ||
		!slices.Equal(n.Listeners, []string{"ntp/br-lan#4/udp4", "ntp/br-lan#4/udp6"}) {
		t.Errorf("%+v", n)
	}
	if x := d.Rules.Exceptions; len(x) != 1 || x[0].To != netip.MustParsePrefix("192.0.2.1/32") || x[0].Port != 123 {
		t.Errorf("%+v", x)
	}
}

// The time is told while kernel and tor agree that it is right, or relays have
// told it; else a finding says why not, and a status too.
func TestTrusted(t *testing.T) {
	note := &relaytime.Note{Start: time.Now(), Count: 5, Asked: 9}
	for _, c := range []struct {
		kept    bool
		note    *relaytime.Note
		skew    time.Duration
		trusted bool
	}{{true, nil, 0, true}, {false, nil, 0, false}, {true, nil, time.Hour, false}, {false, note, 0, true}} {
		s := scene()
		s.Config.Gateway.NTP = true
		s.Facts.ClockSynchronised, s.Facts.RelayTime, s.TorNow.ClockSkew = c.kept, c.note, c.skew
		d, found := wanted(t, s)
		var status api.Status
		Feature{}.Report(t.Context(), s, &status)
		if d.Serve.NTP.Trusted != c.trusted || status.Clock.Trusted != c.trusted || (len(found) == 0) != c.trusted {
			t.Errorf("%+v: served %v, status %+v, found %+v", c, d.Serve.NTP.Trusted, status.Clock, found)
		}
	}
}
