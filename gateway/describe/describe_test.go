package describe

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	type part struct {
		Name     string
		Password string
		Wait     time.Duration
	}
	type whole struct {
		N      int
		Part   *part
		Parts  []part
		Hosts  map[string][]int
		Nobody *part
	}
	got := Lines("x",
		whole{N: 1, Part: &part{"a", "geheim", time.Minute}, Parts: []part{{Name: "b"}}, Hosts: map[string][]int{"d": {2}, "c": {3, 4}}})
	want := []string{"x N 1", "x Part", "x Part Name a", "x Part Password " + Hidden("geheim"), "x Part Wait 1m0s", "x Parts { Name b}",
		"x Hosts c [3, 4]", "x Hosts d [2]"}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "{ ", "{")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Lines("x", struct {
		Key  [2]byte
		More []byte
	}{[2]byte{1, 0xab}, []byte{2}}); !slices.Equal(got, []string{"x Key 01ab", "x More 02"}) {
		t.Errorf("%q", got)
	}
	if got := Lines("x", struct{ CA string }{"one\ntwo"}); !slices.Equal(got, []string{`x CA "one\ntwo"`}) {
		t.Errorf("%q", got)
	}
	if Hidden("a") == Hidden("b") || Hidden("a") != Hidden(strings.TrimSpace(" a")) || strings.Contains(Hidden("geheim"), "geheim") {
		t.Error("a hidden value does not stand for itself")
	}
}
