package friends

import (
	"testing"

	"tunic/gateway/feature"
	"tunic/gateway/tor"
)

// Friends are told when this box can reach them again, and not when nothing has changed.
func TestReturns(t *testing.T) {
	f := New(nil, Parts{})
	up := feature.Link{Name: "eth0", Up: true, Carrier: true, Default: true}
	pulled := up
	pulled.Carrier = false
	works, jumped := tor.Status{Bootstrap: 100, Circuits: true}, tor.Status{Bootstrap: 100}
	last := f.returns
	for _, step := range []struct {
		what  string
		tor   tor.Status
		links []feature.Link
		told  bool
	}{
		{"tor is connecting", tor.Status{Bootstrap: 80}, []feature.Link{up}, false},
		{"tor is connected", works, []feature.Link{up}, true},
		{"nothing has changed", works, []feature.Link{up}, false},
		{"the cable is pulled", works, []feature.Link{pulled}, false},
		{"the cable is back", works, []feature.Link{up}, true},
		{"the clock has jumped", jumped, []feature.Link{up}, false},
		{"tor has new circuits", works, []feature.Link{up}, true},
		{"nothing could be read of interfaces", works, nil, false},
	} {
		f.comeBack(step.tor, feature.Surroundings{Links: step.links})
		if told := f.returns != last; told != step.told {
			t.Errorf("%s: friends are told: %v", step.what, told)
		}
		last = f.returns
	}
}
