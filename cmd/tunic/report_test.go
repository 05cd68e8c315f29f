package main

import (
	"strings"
	"testing"
)

// A person who asks others for help can say at least that no daemon runs.
func TestReportWithoutDaemon(t *testing.T) {
	root := t.TempDir()
	for want, words := range map[string][]string{
		"\nstate: no daemon runs\n": {"report"}, `"state": "no daemon runs"`: {"report", "--json"}} {
		if code, out, errs := tunicAt(root, 0, words...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: %d, %q, %q", words, code, out, errs)
		}
	}
}
