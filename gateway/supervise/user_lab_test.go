//go:build lab

package supervise

import (
	"slices"
	"testing"
)

// TestSetUser needs root: the child has the uid and groups it was given, and
// none of the daemon's capabilities.
func TestSetUser(t *testing.T) {
	for _, tc := range []struct {
		groups []uint32
		want   string
	}{
		{nil, "Groups:"},
		{[]uint32{65533}, "Groups: 65533"},
	} {
		p := shell(t, "id -u; id -g; grep -E '^(Groups|CapEff|CapPrm|CapAmb)' /proc/self/status | tr '\t' ' '", func(c *Command) {
			c.SetUser, c.UID, c.GID, c.Groups = true, 65532, 65531, tc.groups
		}, nil)
		await(t, p)
		want := []string{"65532", "65531", tc.want, "CapPrm: 0000000000000000", "CapEff: 0000000000000000", "CapAmb: 0000000000000000"}
		if got := p.Tail(); !slices.Equal(got, want) {
			t.Errorf("groups %v: got %q, want %q", tc.groups, got, want)
		}
	}
}
