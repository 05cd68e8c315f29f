//go:build lab

package netfilter

import (
	"slices"
	"testing"

	"tunic/rules"
)

// TestSecondCarrier puts a second carrier beside tor: its process leaves the box,
// what else is refused stays refused, and each rule that came with it is missed
// when it is gone.
func TestSecondCarrier(t *testing.T) {
	h := newHouse(t)
	h.says(h.gateway, "carrier", ":7640")
	h.gateway.echoAs("carrier's dns ", ":7653")
	in := openHouse()
	one := mutants(compile(t, in))
	in.Carriers = append(in.Carriers, rules.Carrier{UID: 981, TransPort: 7640, DNSPort: 7653, UDP: rules.AnyUDP},
		rules.Carrier{UID: 982, UDP: rules.NamesUDP}, rules.Carrier{UID: 983})
	set := compile(t, in)
	h.apply(set)
	shots := carrierShots()
	if !h.hits(shots) {
		return
	}
	added := 0
	for _, m := range mutants(set) {
		if slices.ContainsFunc(one, func(o mutant) bool { return o.String() == m.String() }) {
			continue
		}
		added++
		if who := h.without(set, []mutant{m}, nil, shots); who[m.String()] == "" {
			t.Errorf("nothing notices that %v is gone", m)
		} else {
			t.Logf("%v: %s", m, who[m.String()])
		}
	}
	if added == 0 {
		t.Error("the carriers came with no rule")
	}
}

func carrierShots() []shot {
	return []shot{
		as(981, "tcp", "internet", 80, "internet $gateway"), as(981, "udp", "internet", 443, "internet $gateway"),
		as(982, "tcp", "internet", 80, "internet $gateway"), as(982, "udp", "internet", 443, "denied"),
		as(982, "udp", "internet", 53, "internet $gateway"),
		as(983, "tcp", "internet", 80, "internet $gateway"), as(983, "udp", "internet", 443, "denied"),
		as(983, "udp", "internet", 53, "denied"),
		as(971, "tcp", "internet", 80, "internet $gateway"), as(984, "tcp", "internet", 80, "tor $gateway"),
		as(984, "udp", "internet", 443, "denied"),
		as(973, "tcp", "internet", 80, "refused"), as(973, "udp", "internet", 443, "denied"),
		as(981, "udp", "loopback", 9253, "denied"), as(971, "udp", "loopback", 7653, "denied"), udp("gateway", "loopback", 7653, "denied"),
		tcp("phone", "internet", 80, "tor $phone"), udp("phone", "internet", 443, "refused"),
		tcp("phone", "box", 7640, "refused"), udp("phone", "box", 7653, "refused"), tcp("internet", "gateway", 7640, "silence"),
		udp("internet", "gateway", 7653, "silence"),
	}
}
