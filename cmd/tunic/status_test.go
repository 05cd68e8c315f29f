package main

import (
	"strings"
	"testing"
)

func TestWrapped(t *testing.T) {
	const text = "one two three vccyruoy4qsr5dix7scbccg27lusyhb3jwpl46xjotdtmplg4rhqh7qd.onion four"
	if got := wrapped(text, 0, "  "); got != "  "+text {
		t.Errorf("to a file: %q", got)
	}
	lines := strings.Split(wrapped(text, 40, "  "), "\n")
	if len(lines) != 3 || lines[0] != "  one two three" || lines[2] != "  four" {
		t.Errorf("%q", lines)
	}
	if got := strings.Join(strings.Fields(strings.Join(lines, " ")), " "); got != text {
		t.Errorf("something is lost: %q", got)
	}
}
