package address

import (
	"strings"
	"testing"
)

// BenchmarkFinder is a text that has nothing of an address, and texts that have at every
// letter, and at every second, what the end of one looks like.
func BenchmarkFinder(b *testing.B) {
	for name, unit := range map[string]string{"words": "hello, world. ", "d": "d", "ad": "ad"} {
		text := []byte(strings.Repeat(unit, 1<<20/len(unit)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := new(Finder).Write(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
