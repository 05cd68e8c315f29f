package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The last lines are kept, whole and bounded, however they are written.
func TestRecent(t *testing.T) {
	r := new(recent)
	for _, part := range []string{"a\nb", "c\n", "", "\n" + strings.Repeat("x", 2*recentWidth) + "\n"} {
		if n, err := r.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if got := r.Lines(); !slices.Equal(got, []string{"a", "bc", "", strings.Repeat("x", recentWidth)}) {
		t.Errorf("%q", got)
	}
	for i := range 2 * recentLines {
		fmt.Fprintf(r, "%d\n", i)
	}
	if got := r.Lines(); len(got) != recentLines || got[0] != fmt.Sprint(recentLines) {
		t.Errorf("%d lines from %q", len(got), got[0])
	}
}
