package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
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

// A guest that may go outside Tor would show leaks that are none.
func TestLeaktestWantsAPolicyThatForbids(t *testing.T) {
	for _, x := range []struct {
		policy string
		none   config.Policy
		want   string
	}{
		{"", "tor", ""}, {"tor", "direct", ""}, {"block", "onion", ""}, {"direct", "tor", ""}, {"onion", "block", ""},
		{"", "direct", "default-policy = direct"}, {"", "onion", "default-policy = onion"}, {"dirct", "tor", "dirct"},
	} {
		_, err := checkGuest(x.policy, x.none)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%q, %s without one: %v", x.policy, x.none, err)
		}
	}
}
