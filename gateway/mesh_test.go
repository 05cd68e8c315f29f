package gateway

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature"
)

// mesh is a tun of yggdrasil: its network is the whole mesh.
func mesh() feature.InterfaceFacts {
	return feature.InterfaceFacts{Name: "ygg0", Index: 7, Addresses: []netip.Prefix{netip.MustParsePrefix("203:956a:3de6::1/7")}}
}

const (
	meshFile = `[household]
interfaces = ["br-lan", "ygg0"]
`
	meshNamed = meshFile + "prefixes = [\"201:db8:1::5/128\"]\n"
)

// nets are the household's networks by the rules that are in force.
func (h *house) nets() []netip.Prefix { return h.snapshot().desired.Rules.Prefixes }

// A mesh that comes up on a household interface while the house runs, or whose network
// becomes wide, closes nothing: it is left out. No verb fails by it, and naming what is
// the household's takes it in.
func TestAMeshThatComesUpLater(t *testing.T) {
	h := newHouse(t, map[string]string{"tunic.toml": meshFile})
	h.running(t)
	lan := slices.Clone(h.nets())
	if in := h.snapshot().desired.Rules; !slices.Equal(in.Checked, []string{"ygg0"}) { // who knows what it will be
		t.Errorf("before it is there, checked are %q", in.Checked)
	}
	for _, wide := range []string{"203:956a:3de6::1/7", "10.0.0.1/8", "11.0.0.1/4", "fd00::1/8"} {
		h.set(func() {
			i := mesh()
			i.Addresses = []netip.Prefix{netip.MustParsePrefix(wide)}
			h.facts.Interfaces = append(slices.Clone(h.facts.Interfaces[:1]), i)
		})
		h.again(t)
		if v := h.snapshot(); v.state != api.Open || !slices.Equal(h.nets(), lan) || mode(h.loaded) != "open" {
			t.Errorf("%s: %s (%s), home %v", wide, v.state, v.why, h.nets())
		}
		if in := h.snapshot().desired.Rules; wide != "10.0.0.1/8" && !slices.Equal(in.Checked, []string{"ygg0"}) {
			t.Errorf("%s: checked are %q", wide, in.Checked)
		}
		if !slices.Contains(h.codes(t), "network-unfit") {
			t.Errorf("%s: findings %v", wide, h.codes(t))
		}
	}
	h.set(func() { h.facts.Interfaces[1] = mesh() })
	h.again(t)
	if _, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "pub", Ports: []string{"80=192.168.77.20:80"}}); err != nil {
		t.Errorf("publish beside a mesh: %v", err)
	}
	h.write(t, "tunic.toml", meshNamed)
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParsePrefix("201:db8:1::5/128"); !slices.Contains(h.nets(), want) || len(h.nets()) != len(lan)+1 {
		t.Errorf("home is %v", h.nets())
	}
	if slices.Contains(h.codes(t), "network-unfit") {
		t.Errorf("findings %v", h.codes(t))
	}
}

// What the rules cannot do is a mistake like any other: plan and reload refuse it, and
// nothing changes.
func TestReloadRefusesWhatRulesCannotDo(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.facts.Interfaces = append(h.facts.Interfaces, mesh()) })
	h.running(t)
	for _, bad := range []string{meshFile, meshFile + "prefixes = [\"10.0.0.0/8\"]\n"} {
		h.write(t, "tunic.toml", bad)
		_, planned := h.Plan(t.Context())
		before := h.snapshot().rules
		err := h.Reload(t.Context())
		if planned == nil || err == nil || err.Error() != planned.Error() || !strings.Contains(err.Error(), "cannot be the household's") {
			t.Errorf("plan: %v\nreload: %v", planned, err)
		}
		v := h.snapshot()
		if v.state != api.Open || len(v.config.Household.Interfaces) != 1 || !v.rules.Equal(before) {
			t.Errorf("after the reload: %s, %+v", v.state, v.config.Household)
		}
	}
}

// A route to a network behind a device that nobody has named is told, and nothing of it
// is the household's; named it is.
func TestANetworkBehindADevice(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.facts.Interfaces[0].Routed = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")} })
	h.running(t)
	if !slices.Contains(h.codes(t), "network-unnamed") || h.snapshot().state != api.Open {
		t.Errorf("findings %v", h.codes(t))
	}
	h.write(t, "tunic.toml", strings.Replace(mainFile, "[household]\n", "[household]\nprefixes = [\"10.99.0.0/24\"]\n", 1))
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(h.codes(t), "network-unnamed") || !slices.Contains(h.nets(), netip.MustParsePrefix("10.99.0.0/24")) {
		t.Errorf("home %v, findings %v", h.nets(), h.codes(t))
	}
	// Once the household's interface leads to the internet, what is behind a device is
	// left out: when its route is away it would leave by the same interface.
	h.set(func() {
		h.around = feature.Surroundings{Links: []feature.Link{{Name: "br-lan", Up: true, Carrier: true, Household: true,
			Default: true}, {Name: "wan", Up: true, Carrier: true, Default: true}}}
	})
	h.again(t)
	if slices.Contains(h.nets(), netip.MustParsePrefix("10.99.0.0/24")) || !slices.Contains(h.codes(t), "network-unfit") {
		t.Errorf("one arm: home %v, findings %v", h.nets(), h.codes(t))
	}
}

// Why knows who is behind whom, and says of an address that is not the household's what
// to write, or nothing if it is not there either.
func TestWhyOfAMesh(t *testing.T) {
	h := newHouse(t, map[string]string{"devices/laptop.toml": laptopFile + "policy = \"direct\"\n"})
	h.set(func() { h.facts.Interfaces[0].Routed = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")} })
	h.running(t)
	ask := func(from, to string) (api.Why, string) {
		w, err := h.devices.Why(t.Context(), api.WhyRequest{Device: from, To: to, Port: 443, Protocol: "udp"})
		if f, ok := errors.AsType[*api.Failure](err); ok {
			return w, f.Error() + ": " + f.Hint
		}
		return w, ""
	}
	_, says := ask("10.99.0.2", "198.51.100.1")
	if !strings.Contains(says, "dropped") || !strings.Contains(says, `prefixes = ["10.99.0.0/24"]`) {
		t.Errorf("a network that is not named: %q", says)
	}
	if _, says := ask("192.168.77.200", "198.51.100.1"); !strings.Contains(says, "no device is known") {
		t.Errorf("an address that no device has: %q", says)
	}
	if _, says := ask("10.98.0.2", "198.51.100.1"); !strings.Contains(says, `no device is known as "10.98.0.2"`) {
		t.Errorf("an address on the internet: %q", says)
	}
	h.set(func() { h.facts.Interfaces = append(h.facts.Interfaces, mesh()) })
	h.write(t, "tunic.toml", strings.Replace(meshNamed, "prefixes = [", "prefixes = [\"10.99.0.0/24\", ", 1))
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w, says := ask("10.99.0.2", "198.51.100.1"); w.Policy != "direct" || w.End != "passed" || w.From != "10.99.0.2 behind laptop" {
		t.Errorf("behind the laptop: %+v, %s", w, says)
	}
	if w, says := ask("201:db8:1::5", "2001:db8::1"); w.Policy != "tor" || w.End != "refused" || w.From != "201:db8:1::5 on ygg0" {
		t.Errorf("in the mesh: %+v, %s", w, says)
	}
	if _, says := ask("201:db8:1::6", "2001:db8::1"); !strings.Contains(says, `prefixes = ["201:db8:1::6/128"]`) {
		t.Errorf("a stranger of the mesh: %q", says)
	}
}
