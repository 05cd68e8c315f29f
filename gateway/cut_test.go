package gateway

import (
	"errors"
	"strings"
	"testing"
)

// TestCutOnlyTheDevice: a stricter policy for one device leaves the connections
// of the others alone, whatever mark they share with it.
func TestCutOnlyTheDevice(t *testing.T) {
	const tv, phone = "mac = \"02:00:00:00:00:10\"\n", "mac = \"02:00:00:00:00:99\"\n"
	for name, c := range map[string]struct {
		before, after [2]string // the policies of tv and phone
		fail          string
		want          string
	}{
		"one of two": {[2]string{"direct", "direct"}, [2]string{"tor", "direct"}, "", "cut onion 10 250, cut direct 10 250"},
		"both":       {[2]string{"direct", "direct"}, [2]string{"tor", "onion"}, "", "cut onion 10 250, cut direct 10 99 250"},
		"to block": {[2]string{"tor", "tor"}, [2]string{"block", "tor"}, "",
			"cut tor 10 250, cut onion 10 250, cut direct 10 250"},
		"one looser":         {[2]string{"tor", "onion"}, [2]string{"direct", "tor"}, "", "cut onion 99 250, cut direct 99 250"},
		"nobody is stricter": {[2]string{"tor", "onion"}, [2]string{"direct", "onion"}, "", ""},
		"addresses are secret": {[2]string{"direct", "direct"}, [2]string{"tor", "direct"}, "neighbours",
			"cut onion 10 99 250, cut direct 10 99 250"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, map[string]string{
				"devices/tv.toml":    tv + "policy = \"" + c.before[0] + "\"\n",
				"devices/phone.toml": phone + "policy = \"" + c.before[1] + "\"\n",
			})
			h.running(t)
			h.took()
			if c.fail != "" {
				h.set(func() { h.fail[c.fail] = errors.New("broken") })
			}
			h.write(t, "devices/tv.toml", tv+"policy = \""+c.after[0]+"\"\n")
			h.write(t, "devices/phone.toml", phone+"policy = \""+c.after[1]+"\"\n")
			if err := h.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, cut, _ := strings.Cut(h.took(), "rules open")
			if got := strings.TrimPrefix(cut, ", "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
