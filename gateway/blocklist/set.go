package blocklist

import (
	"hash/maphash"
	"slices"
	"strings"
)

// set knows names by eight bytes each. The seed is of this process, so that no list
// can be made to block by its sums what is not on it.
type set struct {
	seed               maphash.Seed
	blocked, exception []uint64 // sorted
}

func (s *set) sum(name string) uint64 { return maphash.String(s.seed, name) }

func (s *set) add(name string, exception bool) {
	if exception {
		s.exception = append(s.exception, s.sum(name))
		return
	}
	s.blocked = append(s.blocked, s.sum(name))
}

// finish makes the set ready to be asked, in as little memory as it takes.
func (s *set) finish() {
	s.blocked, s.exception = compact(s.blocked), compact(s.exception)
}

func compact(sums []uint64) []uint64 {
	slices.Sort(sums)
	sums = slices.Compact(sums)
	return append(make([]uint64, 0, len(sums)), sums...)
}

// has reports whether a name, or one that it lies below, is to be blocked, and
// neither is excepted.
func (s *set) has(name string) bool {
	blocked := false
	for rest := name; strings.Contains(rest, "."); _, rest, _ = strings.Cut(rest, ".") {
		sum := s.sum(rest)
		if _, excepted := slices.BinarySearch(s.exception, sum); excepted {
			return false
		}
		if !blocked {
			_, blocked = slices.BinarySearch(s.blocked, sum)
		}
	}
	return blocked
}
