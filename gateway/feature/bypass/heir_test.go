package bypass

import (
	"net/netip"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/rules"
)

// What a device may reach now, it may reach until the same moment when another
// daemon is there.
func TestGrantsAreHandedOn(t *testing.T) {
	now := time.Now()
	what := granted{rules.Grant{MAC: "02:00:00:00:00:01", To: netip.MustParseAddr("192.0.2.7")}, "bank.example"}
	old, heir := New(nil, config.Paths{}, nil), New(nil, config.Paths{}, nil)
	if _, err := old.grants.add([]granted{what}, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	raw, err := old.Bequeath()
	if err != nil {
		t.Fatal(err)
	}
	if err := heir.Inherit(raw); err != nil {
		t.Fatal(err)
	}
	if got := heir.grants.current(now); len(got) != 1 || got[0] != what {
		t.Errorf("%v", got)
	}
	if got := heir.grants.current(now.Add(2 * time.Minute)); len(got) != 0 {
		t.Errorf("it does not end: %v", got)
	}
	if err := heir.Inherit([]byte("{")); err == nil {
		t.Error("nonsense was inherited")
	}
}
