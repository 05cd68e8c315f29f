package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/feature/leaks"
	"tunic/internal/leaktest"
)

// What was not asked is no green line.
func TestLeaktestSaysThatItDidNotAsk(t *testing.T) {
	for classes, want := range map[*[]leaktest.Result]bool{{{ID: "tcp", Sent: 1}}: true, {{ID: leaktest.RouterID, Sent: 1}}: false} {
		var out strings.Builder
		(&app{out: &out}).printLeaks(leaktest.Results{Classes: *classes})
		if strings.Contains(out.String(), "was not asked, because the household's interface is no bridge") != want {
			t.Errorf("%+v: %s", *classes, out.String())
		}
	}
}

func TestInterruptedLeaktest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := leaktestError(ctx, io.EOF); err.Error() != "testing for leaks: EOF" {
		t.Error(err)
	}
	cancel()
	if f := explain(leaktestError(ctx, io.EOF)); f.Error() != "interrupted; nothing of the test is left" || f.code != exitFailed {
		t.Error(f)
	}
	if f := explain(context.Canceled); f.Error() != "interrupted" {
		t.Error(f)
	}
}

// The page's leak test follows kinds of traffic that the leak test sends, by the same names.
func TestKindsOfTraffic(t *testing.T) {
	for _, id := range leaks.IDs() {
		if !slices.ContainsFunc(leaktest.Classes(), func(c leaktest.Class) bool { return c.ID == id }) {
			t.Errorf("%s is sent by nobody", id)
		}
	}
}
