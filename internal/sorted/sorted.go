// Package sorted sorts lists of values by a comparison, as slices.SortFunc does, with one sorting
// that all types share: Go makes slices.SortFunc again for each type, in 10 kB and more, which the
// program would have forty times (docs/footprint.md). It takes the same time.
package sorted

import (
	"iter"
	"slices"
	"sort"
)

// Func sorts list by compare, whose result is as that of cmp.Compare. Equal values come in any order.
func Func[E any](list []E, compare func(a, b E) int) {
	sort.Slice(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}

// Stable is Func that leaves equal values in their order.
func Stable[E any](list []E, compare func(a, b E) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}

// Copy is the values of a sequence, sorted by compare. Equal values come in any order.
func Copy[E any](values iter.Seq[E], compare func(a, b E) int) []E {
	list := slices.Collect(values)
	Func(list, compare)
	return list
}
