package main

import (
	"errors"
	"fmt"
	"testing"

	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/rules/netfilter"
)

// TestExitOfTheDaemon: what starting again cannot mend ends with 78, and nothing
// with 2, as crashes do.
func TestExitOfTheDaemon(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{config.Errors{{Msg: "wrong"}}, exitConfig},
		{fmt.Errorf("looking: %w", netfilter.ErrMixed), exitConfig},
		{&failure{exitUsage, errors.New("wrong"), ""}, exitConfig},
		{fmt.Errorf("looking: %w", box.ErrNewerState), exitConfig},
		{box.ErrRunning, exitFailed},
		{errors.New("broken"), exitFailed},
	} {
		if f := explain(ofDaemon(c.err)); f.code != c.code || f.Error() != c.err.Error() {
			t.Errorf("%v: status %d, %q", c.err, f.code, f)
		}
	}
	if err := ofDaemon(nil); err != nil {
		t.Error(err)
	}
}
