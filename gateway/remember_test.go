package gateway

import (
	"testing"

	"tunic/gateway/feature"
)

// A household interface that has gone is remembered as it was; one that was never there
// does not become one that has gone, however often it is looked for.
func TestOnlyWhatWasThereIsRemembered(t *testing.T) {
	named := func(index int) feature.Facts {
		return feature.Facts{Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: index}}}
	}
	for name, steps := range map[string]struct {
		indexes []int
		missing bool
		index   int
	}{
		"there": {[]int{3, 3}, false, 3}, "gone": {[]int{3, 0, 0}, true, 3}, "gone and back": {[]int{3, 0, 4}, false, 4},
		"never there": {[]int{0, 0, 0}, false, 0}, "later": {[]int{0, 0, 5}, false, 5},
	} {
		facts := feature.Facts{}
		for _, index := range steps.indexes {
			facts = remember(facts, named(index))
		}
		if i := facts.Interfaces[0]; i.Missing != steps.missing || i.Index != steps.index {
			t.Errorf("%s: %+v", name, i)
		}
	}
}
