//go:build lab

package supervise

import (
	"slices"
	"testing"
)

// TestSetUser needs root: the child has the uid and the group it was given, and
// none of the daemon's other groups and capabilities.
func TestSetUser(t *testing.T) {
	p := shell(t, "id -u; id -g; grep -E '^(Groups|CapEff|CapPrm|CapAmb)' /proc/self/status | tr '\t' ' '", func(c *Command) {
		c.SetUser, c.UID, c.GID = true, 65532, 65531
	}, nil)
	await(t, p)
	want := []string{"65532", "65531", "Groups:", "CapPrm: 0000000000000000", "CapEff: 0000000000000000", "CapAmb: 0000000000000000"}
	if got := p.Tail(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
