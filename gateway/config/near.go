package config

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean returns a hint that names the known word nearest to word, or ""
// if none is near.
func didYouMean(word string, known []string) string {
	best := Nearest(word, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// Nearest is the known word that a person who typed word probably meant, or "":
// two slips at most, and half of the letters right.
func Nearest(word string, known []string) string {
	best, bestDistance := "", min(3, (len(word)+2)/2)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// near returns the known words that word may stand for, the nearest first:
// those that it is a part of, and those that are two slips away at most.
func near(word string, known []string) []string {
	var found []string
	for _, k := range known {
		if len(word) > 1 && strings.Contains(k, word) || len(k) > 2 && strings.Contains(word, k) || distance(word, k) < min(3, len(word)) {
			found = append(found, k)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return distance(word, a) - distance(word, b) })
	return found[:min(len(found), 5)]
}

// distance is the number of letters to add, remove, change or swap with their
// neighbour that makes b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a) // no key is as long
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
