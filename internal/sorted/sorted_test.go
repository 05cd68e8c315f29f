package sorted

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// Each sorts as its counterpart of package slices, and Copy leaves what it was given.
func TestAsSlices(t *testing.T) {
	type pair struct{ key, place int }
	byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
	for n := range 100 {
		list := make([]pair, n)
		for i := range list {
			list[i] = pair{rand.IntN(10), i}
		}
		want, given := slices.Clone(list), slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		got := Copy(slices.Values(list), byKey)
		if !slices.IsSortedFunc(got, byKey) || len(got) != n || !slices.Equal(list, given) {
			t.Errorf("Copy of %v: %v", given, got)
		}
		Func(list, byKey)
		Stable(given, byKey)
		if !slices.IsSortedFunc(list, byKey) || !slices.Equal(given, want) {
			t.Errorf("of %v: Func %v, Stable %v", want, list, given)
		}
	}
	if Copy(slices.Values([]int(nil)), cmp.Compare) != nil {
		t.Error("nothing is sorted into something")
	}
}
