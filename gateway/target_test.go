package gateway

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature/onions"
)

// While serve has not looked at a target, nothing is said of it.
func TestTargetsThatNobodyAskedAreNoFinding(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.set(func() { h.status.Bootstrap = 45 })
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if slices.Contains(h.codes(t), "target-unreachable") || s.Onions[0].Ports[0].Down() || s.Onions[0].Ports[0].Reachable {
		t.Errorf("%+v, findings %v", s.Onions[0].Ports, h.codes(t))
	}
}

func TestTargetsOnTheInternet(t *testing.T) {
	local := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8:7::/64"),
		netip.MustParsePrefix("192.168.77.0/24")}
	for target, home := range map[string]bool{
		"192.168.1.20:80": true, "10.0.0.1:80": true, "127.0.0.1:80": true, "[fd00::1]:80": true, "[fe80::1%br-lan]:80": true,
		"100.64.0.1:80":       true,
		"[2001:db8:7::20]:80": true, "nas:80": true, "unix:/run/x": true, "endpoint:gopher": true,
		"8.8.8.8:80": false, "[2001:db8:8::20]:80": false, "198.51.100.1:22": false,
	} {
		p, err := config.ParsePortTarget("80=" + target)
		if err != nil {
			t.Fatal(err)
		}
		if errs := onions.CheckTargets([]config.Onion{{Name: "x", Ports: []config.Port{p}}}, local); (len(errs) == 0) != home {
			t.Errorf("%s: %v", target, errs)
		}
	}
}

// Nobody publishes a host on the internet by mistake; in a file it is a finding.
func TestPublishAtHomeOnly(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/far.toml": "[ports]\n80 = \"198.51.100.1:80\"\n"})
	h.running(t)
	if !slices.Contains(h.codes(t), "target-on-internet") {
		t.Errorf("findings %v", h.codes(t))
	}
	_, err := h.onions.Publish(t.Context(), api.PublishRequest{Name: "pub", Ports: []string{"80=8.8.8.8:80"}})
	var failure *api.Failure
	if !errors.As(err, &failure) || !failure.Usage || err.Error() != "the onion pub, port 80: 8.8.8.8 is on the internet, not at home" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(h.Paths.OnionDir(), "pub.toml")); err == nil {
		t.Error("the file is there")
	}
}
