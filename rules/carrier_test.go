package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What tor's uid may send depends on the bridges' transports alone.
func TestCarrierUDP(t *testing.T) {
	for udp, want := range map[UDP][]string{
		NoUDP:    {"-p tcp -m owner --uid-owner 971 -j RETURN"},
		NamesUDP: {"-p tcp -m owner --uid-owner 971 -j RETURN", "-p udp -m udp --dport 53 -m owner --uid-owner 971 -j RETURN"},
		AnyUDP:   {"-p tcp -m owner --uid-owner 971 -j RETURN", "-p udp -m owner --uid-owner 971 -j RETURN"},
	} {
		for _, mode := range []Mode{Lockdown, Open} {
			in := house()
			in.Mode, in.Carriers[0].UDP = mode, udp
			for _, f := range Families() {
				got := chainRules(t, mustCompile(t, in), f, "filter", chainOutput)
				n := slices.IndexFunc(got, func(rule string) bool { return !strings.Contains(rule, "--uid-owner") })
				if !slices.Equal(got[:n], want) {
					t.Errorf("%v, mode %v, udp %d: %q", f, mode, udp, got[:n])
				}
			}
		}
	}
}

// A second carrier's process leaves the box as far as it may, and stands in
// nobody's way: devices and the box go to tor as before.
func TestSecondCarrier(t *testing.T) {
	outside := map[Family]netip.Addr{IPv4: netip.MustParseAddr("203.0.113.5"), IPv6: netip.MustParseAddr("2001:db8::5")}
	loopback := map[Family]netip.Addr{IPv4: netip.MustParseAddr("127.0.0.1"), IPv6: netip.IPv6Loopback()}
	for _, f := range Families() {
		out := func(uid uint32, protocol string, port uint16) Flow {
			return Flow{UID: uid, To: netip.AddrPortFrom(outside[f], port), Protocol: protocol}
		}
		own := func(uid uint32, protocol string, port uint16) Flow {
			return Flow{UID: uid, Out: "lo", To: netip.AddrPortFrom(loopback[f], port), Protocol: protocol, Local: true}
		}
		for name, tc := range map[string]struct {
			udp  UDP
			flow Flow
			want End
			port uint16
		}{
			"TCP":                            {NoUDP, out(981, "tcp", 443), Passed, 0},
			"UDP that it may not send":       {NoUDP, out(981, "udp", 443), Refused, 0},
			"UDP beside names":               {NamesUDP, out(981, "udp", 443), Refused, 0},
			"names":                          {NamesUDP, out(981, "udp", 53), Passed, 0},
			"UDP":                            {AnyUDP, out(981, "udp", 443), Passed, 0},
			"ping":                           {AnyUDP, out(981, map[Family]string{IPv4: "icmp", IPv6: "ipv6-icmp"}[f], 0), Refused, 0},
			"tor's TCP":                      {AnyUDP, out(971, "tcp", 443), Passed, 0},
			"tor's UDP":                      {AnyUDP, out(971, "udp", 443), Refused, 0},
			"a child's UDP":                  {AnyUDP, out(972, "udp", 443), Refused, 0},
			"the box's TCP":                  {AnyUDP, out(1000, "tcp", 443), Redirected, 9240},
			"the box's UDP":                  {AnyUDP, out(1000, "udp", 443), Refused, 0},
			"its datagram to tor's DNSPort":  {AnyUDP, own(981, "udp", 9253), Refused, 0},
			"a user's to its DNSPort":        {AnyUDP, own(1000, "udp", 7653), Refused, 0},
			"its datagram to others on lo":   {AnyUDP, own(981, "udp", 7999), Passed, 0},
			"tor's datagram to its DNSPort":  {AnyUDP, own(971, "udp", 7653), Refused, 0},
			"a child's connection to tor":    {AnyUDP, own(973, "tcp", 9250), map[Family]End{IPv4: Passed, IPv6: Refused}[f], 0},
			"a child's connection to others": {AnyUDP, own(973, "tcp", 7640), Refused, 0},
		} {
			for _, mode := range []Mode{Lockdown, Open} {
				in := scenarios()["open-own-tor"]
				in.Mode, in.Carriers = mode,
					append(slices.Clone(in.Carriers), Carrier{UID: 981, TransPort: 7640, DNSPort: 7653, UDP: tc.udp})
				e, err := Explain(mustCompile(t, in), tc.flow)
				if err != nil || e.End != tc.want || e.Port != tc.port {
					t.Errorf("%v, mode %v, %s: %s %d, %v; want %s %d\n%v", f, mode, name, e.End, e.Port, err, tc.want, tc.port, e.Steps)
				}
			}
		}
	}
}

// A second carrier adds the rules that are its own, and changes none.
func TestSecondCarrierAddsOnly(t *testing.T) {
	for name, in := range scenarios() {
		one := strings.Split(mustCompile(t, in).String(), "\n")
		in.Carriers = append(slices.Clone(in.Carriers), Carrier{UID: 981, TransPort: 7640, DNSPort: 7653, UDP: AnyUDP})
		var rest []string
		for rule := range strings.SplitSeq(mustCompile(t, in).String(), "\n") {
			if !strings.Contains(rule, "981") && !strings.Contains(rule, "7640") && !strings.Contains(rule, "7653") {
				rest = append(rest, rule)
			}
		}
		if !slices.Equal(one, rest) {
			t.Errorf("%s: %s", name, firstDifference(strings.Join(one, "\n"), strings.Join(rest, "\n")))
		}
	}
}

// A device reaches a second carrier's ports no more than tor's.
func TestSecondCarrierIsClosed(t *testing.T) {
	in := house()
	in.Carriers = append(in.Carriers, Carrier{UID: 981, TransPort: 7640, DNSPort: 7653})
	for protocol, port := range map[string]uint16{"tcp": 7640, "udp": 7653} {
		e, err := Explain(mustCompile(t, in), Flow{In: "br-lan", MAC: "02:00:00:00:00:04", From: netip.MustParseAddr("192.168.77.10"),
			To: netip.AddrPortFrom(netip.MustParseAddr("192.168.77.1"), port), Protocol: protocol, Local: true})
		if err != nil || e.End != Refused {
			t.Errorf("%s: %v, %v", protocol, e, err)
		}
	}
}
