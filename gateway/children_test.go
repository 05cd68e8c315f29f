package gateway

import (
	"net/netip"
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/rules"
)

// TestChildrenInLockdown holds the closed rules to what the open ones refuse:
// servers of a daemon that was killed live on.
func TestChildrenInLockdown(t *testing.T) {
	in := inputs()
	in.Mail, in.IRC = feature.IDs{UID: 111}, feature.IDs{UID: 112}
	open := desire.State(in).Rules
	closed := desire.Closed(t.Context(), features, in)
	users := map[uint32]bool{}
	for _, child := range open.Children {
		users[child.UID] = true
	}
	same := slices.EqualFunc(open.Children, closed.Children,
		func(a, b rules.Child) bool { return a.UID == b.UID && slices.Equal(a.May, b.May) })
	if len(users) != 4 || !same {
		t.Errorf("open: %+v\nclosed: %+v", open.Children, closed.Children)
	}
}

// TestServeWays looks for what serve has to dial: nothing of it depends on where
// a named target is at the moment.
func TestServeWays(t *testing.T) {
	in := inputs()
	in.Config.DNS.Forward = []config.Forward{{Server: netip.MustParseAddrPort("192.168.77.53:53")}}
	in.Config.Onions[0].Ports = append(in.Config.Onions[0].Ports, config.Port{Virtual: 22, Target: config.Target{Host: "nas", Port: 22}},
		config.Port{Virtual: 23, Target: config.Target{Unix: "/run/x"}})
	in.Foresee(t.Context(), features)
	var ways []rules.Way
	for _, child := range desire.State(in).Rules.Children {
		if child.UID == in.Serve.UID {
			ways = append(ways, child.May...)
		}
	}
	for _, w := range []rules.Way{
		{Protocol: rules.ProtocolUDP, To: netip.MustParseAddr("127.0.0.1"), Port: config.DNSPort},
		{Protocol: rules.ProtocolTCP, To: netip.MustParseAddr("192.168.77.20"), Port: 8080},
		{Protocol: rules.ProtocolUDP, To: netip.MustParseAddr("192.168.77.53"), Port: 53},
		{Protocol: rules.ProtocolTCP, Port: 22},
	} {
		if !slices.Contains(ways, w) {
			t.Errorf("no way to %v, port %d", w.To, w.Port)
		}
	}
	if slices.ContainsFunc(ways, func(w rules.Way) bool { return w.Port == 0 }) {
		t.Errorf("a way without a port: %+v", ways)
	}
}
