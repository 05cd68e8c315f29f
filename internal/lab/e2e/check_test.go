//go:build lab

package e2e

import (
	"path/filepath"
	"strings"

	"tunic/gateway/config"
	"tunic/internal/lab/house"
)

// testCheck shows that what a part could leave behind is noticed and named.
func testCheck(w *world) {
	onion := filepath.Join(w.paths().OnionDir(), "left.toml")
	friends := filepath.Join(config.NewPaths(w.lab.Root("friend")).EndpointDir(), "left.toml")
	laptop, err := w.lab.Plan().Node("laptop")
	if err != nil {
		w.Fatal(err)
	}
	mac := laptop.Uplink.MAC
	rule := strings.Fields("OUTPUT -p tcp --dport 4242 -j ACCEPT")
	for _, c := range []struct {
		name     string
		do, undo func(*world)
		want     []string // beginnings of what is said
	}{
		{"a file", func(w *world) { w.write(onion, "\n") }, func(w *world) { w.remove(onion) },
			[]string{"gateway: file onions/left.toml: "}},
		{"a file on a friend's box", func(w *world) { w.write(friends, "\n") }, func(w *world) { w.remove(friends) },
			[]string{"friend: file endpoints/left.toml: "}},
		{"a policy", func(w *world) { w.policy("laptop", "block") }, func(w *world) { w.noPolicy("laptop") },
			[]string{"gateway: file devices/laptop.toml: ", "gateway: rules of ip6tables, ", "gateway: rules of iptables, ",
				"gateway: status: "}},
		{"a policy for a while", func(w *world) { w.must("gateway", "tunic", "device", mac, "--policy", "block", "--for", "1h") },
			func(w *world) { w.must("gateway", "tunic", "device", mac, "--policy", "tor", "--for", "1s") },
			[]string{"gateway: rules of ip6tables, ", "gateway: rules of iptables, ", "gateway: status: "}},
		{"a rule", func(w *world) { w.must("gateway", append([]string{"iptables", "-w", "-A"}, rule...)...) },
			func(w *world) { w.must("gateway", append([]string{"iptables", "-w", "-D"}, rule...)...) },
			[]string{"gateway: rules of iptables, filter OUTPUT: "}},
	} {
		w.run(c.name, func(w *world) {
			before := w.look()
			c.do(w)
			changes := before.Changes(w.look())
			c.undo(w)
			w.noticed(changes, c.want)
			if rest := w.leftBehind(before); len(rest) > 0 {
				w.Errorf("undone, and still there: %q", rest)
			}
		})
	}
}

// noticed compares changes with the beginnings of what they should be: each
// fits some, none is missing.
func (w *world) noticed(changes, want []string) {
	w.Helper()
	for _, begin := range want {
		found := false
		for _, change := range changes {
			found = found || strings.HasPrefix(change, begin)
		}
		if !found {
			w.Errorf("nothing begins with %q in %q", begin, changes)
		}
	}
	before := house.Look{}
	for _, change := range changes {
		before[change] = ""
	}
	if more := before.Changes(house.Look{}, want...); len(more) > 0 {
		w.Errorf("it is also said that %q", more)
	}
}
