package bypass

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/rules"
)

func TestGrantsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g grants
		a := granted{rules.Grant{MAC: "02:00:00:00:00:10", To: netip.MustParseAddr("203.0.113.7")}, "bank.example"}
		start := time.Now()
		for _, until := range []time.Duration{30 * time.Second, 60 * time.Second, 45 * time.Second} { // the longest counts
			if _, err := g.add([]granted{a}, start.Add(until)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Second)
		if len(g.current(time.Now())) != 1 {
			t.Error("it ended early")
		}
		time.Sleep(2 * time.Second)
		if len(g.current(time.Now())) != 0 || len(g.list) != 0 {
			t.Error("it did not end")
		}
		if loaded, err := g.add([]granted{a}, start); loaded || err != nil {
			t.Errorf("one that ended counts as loaded: %v, %v", loaded, err)
		}
	})
}

// The same grants are the same wish: else what is wanted would be computed in each pass.
func TestGrantsInOneOrder(t *testing.T) {
	f := New(nil, config.Paths{}, nil)
	var want []granted
	for i := range 20 {
		to := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		want = append(want, granted{rules.Grant{MAC: "02:00:00:00:00:10", To: to}, "bank.example"})
	}
	if _, err := f.grants.add(want, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if first := f.Look(t.Context(), nil, nil); !first.Same(f.Look(t.Context(), nil, nil)) {
		t.Error("two looks at the same grants differ")
	}
}

// host is a household that is open, with a tv (.10), a blocked device (.11), a
// direct one (.12) and nobody's file for the others.
type host struct {
	feature.Host
	loads int
}

func (h *host) Now() feature.Now {
	in := rules.Input{Default: rules.Tor, Prefixes: prefixes("192.168.77.0/24", "fd77::/64"),
		Bypasses: []rules.Bypass{{Domains: []string{"bank.example"}, MACs: []string{"02:00:00:00:00:10"}},
			{Domains: []string{"game.example"}}},
		Devices: []rules.Device{{MAC: "02:00:00:00:00:11", Policy: rules.Block}, {MAC: "02:00:00:00:00:12", Policy: rules.Direct}}}
	return feature.Now{Scene: feature.Scene{Config: &config.Config{}}, Desired: feature.Desired{Rules: in}, Open: true}
}

func (h *host) Rules(_ context.Context, change func(*rules.Input)) error {
	in := h.Now().Desired.Rules
	change(&in)
	h.loads++
	return nil
}

// HardwareAddr knows 192.168.77.N as 02:00:00:00:00:N, as far as N is there.
func (h *host) HardwareAddr(_ context.Context, _ []string, a netip.Addr) (string, error) {
	if b := a.As16(); b[15] <= 99 {
		return fmt.Sprintf("02:00:00:00:00:%02d", b[15]), nil
	}
	return "", nil
}

func newHouse() (*Feature, *host) {
	h := new(host)
	return New(h, config.Paths{}, h), h
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func request(device, domain string, addrs ...string) link.Grant {
	r := link.Grant{Device: netip.MustParseAddr(device), Domain: domain, TTL: 300 * time.Second}
	for _, a := range addrs {
		r.Addrs = append(r.Addrs, netip.MustParseAddr(a))
	}
	return r
}

func TestGrantsThatAreRefused(t *testing.T) {
	f, h := newHouse()
	many := request("192.168.77.10", "bank.example")
	for i := range maxGrantAddrs + 1 {
		many.Addrs = append(many.Addrs, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
	}
	for name, c := range map[string]struct {
		r    link.Grant
		want error
	}{
		"another device":     {request("192.168.77.20", "bank.example", "203.0.113.7"), errNotBypassed},
		"a domain below":     {request("192.168.77.10", "www.bank.example", "203.0.113.7"), errNotBypassed},
		"another domain":     {request("192.168.77.10", "evil.example", "203.0.113.7"), errNotBypassed},
		"a blocked device":   {request("192.168.77.11", "game.example", "203.0.113.7"), errNotBypassed},
		"nobody's address":   {request("192.168.77.200", "game.example", "203.0.113.7"), errNotBypassed},
		"the household":      {request("192.168.77.10", "bank.example", "192.168.77.20"), errNotGrantable},
		"a private address":  {request("192.168.77.10", "bank.example", "10.1.2.3"), errNotGrantable},
		"loopback":           {request("192.168.77.10", "bank.example", "127.0.0.1"), errNotGrantable},
		"IPv4 in IPv6":       {request("192.168.77.10", "bank.example", "::ffff:203.0.113.7"), errNotGrantable},
		"multicast":          {request("192.168.77.10", "bank.example", "224.0.0.1"), errNotGrantable},
		"a household's IPv6": {request("192.168.77.10", "bank.example", "fd77::20"), errNotGrantable},
		"one good, one bad":  {request("192.168.77.10", "bank.example", "203.0.113.7", "192.168.77.20"), errNotGrantable},
		"too many":           {many, errGrantsFull},
	} {
		if err := f.Grant(t.Context(), c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := f.Grant(t.Context(), request("192.168.77.12", "game.example", "203.0.113.7")); err != nil {
		t.Errorf("a direct device needs nothing: %v", err)
	}
	if h.loads != 0 {
		t.Errorf("the rules were loaded %d times", h.loads)
	}
}

func TestGrantsAreBounded(t *testing.T) {
	f, _ := newHouse()
	grant := func(device string, i int) error {
		return f.Grant(t.Context(), request(device, "game.example", fmt.Sprintf("203.0.%d.%d", i/250, i%250+1)))
	}
	for i := range maxDeviceGrants {
		if err := grant("192.168.77.10", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := grant("192.168.77.10", maxDeviceGrants); !errors.Is(err, errGrantsFull) {
		t.Errorf("beyond the device's limit: %v", err)
	}
	if err := grant("192.168.77.13", 0); err != nil {
		t.Errorf("another device has no room left: %v", err)
	}
}
