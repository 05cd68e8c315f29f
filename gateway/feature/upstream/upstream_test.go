package upstream

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

func scene(server string) feature.Scene {
	return feature.Scene{
		ChildIDs: feature.ChildIDs{Serve: feature.IDs{UID: 109, GID: 109}},
		Config:   &config.Config{DNS: config.DNS{Upstream: netip.MustParseAddrPort(server)}},
		Facts: feature.Facts{Interfaces: []feature.InterfaceFacts{{Name: "br-lan",
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.2/24"), netip.MustParsePrefix("fd77::1/64")}}}},
	}
}

// TestWhereAFilterMayBe: one that is not in the household is refused, and once its
// address is no longer there, it stays wanted, without a way and an exception.
func TestWhereAFilterMayBe(t *testing.T) {
	for _, c := range []struct {
		server, why      string
		ways, exceptions int
	}{
		{"192.168.1.5:53", "", 2, 2}, {"[fd77::5]:53", "", 2, 2}, {"127.0.0.1:5353", "", 2, 0},
		{"192.168.1.2:5353", "is this box itself: write 127.0.0.1", 0, 0},
		{"192.168.178.1:53", "is on none of the household's networks", 0, 0},
	} {
		s := scene(c.server)
		err := (Feature{}).Check(t.Context(), s)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.server, err)
		}
		var d feature.Desired
		var r feature.Report
		Feature{}.Look(t.Context(), &s, &r).Add(s, &d)
		ways := 0
		for _, child := range d.Rules.Children {
			ways += len(child.May)
		}
		if ways != c.ways || len(d.Rules.Exceptions) != c.exceptions || d.Serve.DNS.Upstream.String() != c.server {
			t.Errorf("%s: %d ways, %d exceptions, %v", c.server, ways, len(d.Rules.Exceptions), d.Serve.DNS.Upstream)
		}
		if found := len(r.Findings) == 1 && r.Findings[0].Code == health.UpstreamElsewhere; found != (c.why != "") {
			t.Errorf("%s: %+v", c.server, r.Findings)
		}
	}
}

func TestFindings(t *testing.T) {
	for code, u := range map[health.Code]link.UpstreamStatus{
		health.UpstreamSilent: {Silent: true}, health.UpstreamElsewhere: {Elsewhere: true},
	} {
		s := scene("192.168.1.5:53")
		s.Served.Upstream = u
		open, closed := api.Status{State: api.Open}, api.Status{State: api.Closed}
		Feature{}.Report(t.Context(), s, &open)
		Feature{}.Report(t.Context(), s, &closed)
		if !slices.ContainsFunc(open.Findings, func(f health.Finding) bool { return f.Code == code }) || len(closed.Findings) != 0 {
			t.Errorf("%s: %+v, closed %+v", code, open.Findings, closed.Findings)
		}
	}
}
