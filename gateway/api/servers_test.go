package api

import (
	"context"
	"testing"
)

func (f *fake) Tail(_ context.Context, r TailRequest) ([]string, error) {
	return []string{"from " + r.Server}, f.err
}

func TestTailGoesThrough(t *testing.T) {
	if lines, err := client(t, &fake{}).Tail(t.Context(), "a&b"); err != nil || len(lines) != 1 || lines[0] != "from a&b" {
		t.Errorf("%q, %v", lines, err)
	}
}
