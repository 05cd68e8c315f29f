package netfilter

import (
	"reflect"
	"testing"
)

func TestParseCounters(t *testing.T) {
	counts := make(map[string][]uint64)
	parseCounters(counts, "filter", `-P INPUT ACCEPT -c 10 1000
-N TUNIC-INPUT
-A INPUT -c 7 700 -j TUNIC-INPUT
-A TUNIC-INPUT -i lo -c 3 300 -j RETURN
-A TUNIC-INPUT -s 192.168.77.0/24 -i br-lan -m conntrack --ctstate DNAT -c 0 0 -j RETURN
-A TUNIC-CLOSED -c 18446744073709551615 1 -j DROP
-A TUNIC-CLOSED -j DROP
-A OTHER -c 1 1 -j DROP
`)
	want := map[string][]uint64{"filter TUNIC-INPUT": {3, 0}, "filter TUNIC-CLOSED": {18446744073709551615, 0}}
	if !reflect.DeepEqual(counts, want) {
		t.Errorf("got %v", counts)
	}
}
