package why

import (
	"net/netip"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/rules"
)

// What ends a packet's way is said in words, and that the household is closed too.
func TestResultWords(t *testing.T) {
	tv := rules.Flow{In: "br-lan", MAC: "02:00:00:00:00:10", To: netip.MustParseAddrPort("203.0.113.7:443")}
	for want, c := range map[string]struct {
		end  rules.Explanation
		open bool
	}{
		"the household is closed":  {rules.Explanation{End: rules.Refused}, false},
		"and reaches nobody":       {rules.Explanation{End: rules.Refused}, true},
		"dropped without a word":   {rules.Explanation{End: rules.Dropped}, true},
		"outside Tor (portal)":     {rules.Explanation{End: rules.Passed, Mark: rules.Portal}, true},
		"leaves the box directly,": {rules.Explanation{End: rules.Passed, Mark: rules.Direct}, true},
	} {
		if got := resultWords(c.end, tv, feature.Now{Open: c.open}); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q in it", c.end, got, want)
		}
	}
}

// A device that was not seen lately gets an address of its household.
func TestDeviceThatWasNotSeen(t *testing.T) {
	facts := feature.Facts{Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24")}}}}
	f := rules.Flow{To: netip.MustParseAddrPort("203.0.113.7:443")}
	if err := deviceFlow(&f, facts, api.Device{}); err != nil || f.In != "br-lan" || f.From.String() != "192.168.77.2" {
		t.Errorf("%+v, %v", f, err)
	}
	f.To = netip.MustParseAddrPort("[2001:db8::1]:443")
	if err := deviceFlow(&f, facts, api.Device{}); err == nil {
		t.Error("a household without IPv6 sends IPv6")
	}
}
