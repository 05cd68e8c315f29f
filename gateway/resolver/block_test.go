package resolver

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// TestBlocked: a name on a list does not exist, whatever is asked about it, and tor
// hears nothing of it. Names of the house are never asked about.
func TestBlocked(t *testing.T) {
	tor := &upstream{strict: func(req *dns.Msg) error {
		if name := req.Question[0].Name; name != "free.example." {
			return fmt.Errorf("tor is asked for %s", name)
		}
		return torStrict(req)
	}, dig: torNames("free.example. 60 A 203.0.113.7")}
	var all atomic.Bool
	c := testConfig.Clone()
	c.Unblocked = []string{"02:00:5e:10:00:09"}
	h := newHome(t, c, tor, func(r *Resolver) {
		r.Blocked = func(name string) bool { return all.Load() || name == "ads.example" }
	})
	for _, q := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"Ads.Example", dns.TypeA, "NXDOMAIN"}, {"ads.example", dns.TypeAAAA, "NXDOMAIN"},
		{"free.example", dns.TypeA, "NOERROR 203.0.113.7"}, {"ads.example", dns.TypeA, "NXDOMAIN"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := brief(h.ask(t, "127.0.0.5", network, q.name, q.qtype)); got != q.want {
				t.Errorf("%s %s: %s", network, q.name, got)
			}
		}
	}
	if n := h.Stats().Blocked; n != 6 {
		t.Errorf("%d are counted", n)
	}
	all.Store(true)
	if got := brief(h.ask(t, "127.0.0.5", "udp", boxName, dns.TypeA)); got == "NXDOMAIN" {
		t.Errorf("a list hides the box: %s", got)
	}
	if got := brief(h.ask(t, "127.0.0.9", "udp", "free.example", dns.TypeA)); got != "NOERROR 203.0.113.7" {
		t.Errorf("a device without block lists: %s", got)
	}
}

// TestHouseIsNeverBlocked: on a list that has every name, what belongs to the house
// still goes where it went.
func TestHouseIsNeverBlocked(t *testing.T) {
	h := newHome(t, testConfig, &upstream{dig: torNames(testOnion + ". 60 A 10.192.0.5")},
		func(r *Resolver) { r.Blocked = func(string) bool { return true } })
	server := listenUpstream(t, &upstream{dig: torNames("nas.lan. 60 A 192.168.77.20")})
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", server.addr}}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{testOnion: "NOERROR 10.192.0.5", "nas.lan": "NOERROR 192.168.77.20",
		boxName: "NOERROR 127.0.0.1", "public.example": "NXDOMAIN"} {
		if got := brief(h.ask(t, "127.0.0.5", "udp", name, dns.TypeA)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestBoxIsNotBlocked: what asks without being a device is the box.
func TestBoxIsNotBlocked(t *testing.T) {
	h := newHome(t, testConfig, &upstream{dig: torNames("ads.example. 60 A 203.0.113.7")}, func(r *Resolver) {
		r.Blocked = func(string) bool { return true }
		r.Devices.Read = func() (map[netip.Addr]string, error) { return nil, nil }
	})
	if got := brief(h.ask(t, "", "udp", "ads.example", dns.TypeA)); got != "NOERROR 203.0.113.7" {
		t.Errorf("the box: %s", got)
	}
}

// TestBlockedBesideTor: a list counts for names of a network beside Tor too, which have
// no address then.
func TestBlockedBesideTor(t *testing.T) {
	h := newHome(t, testConfig, &upstream{}, func(r *Resolver) {
		r.Blocked = func(name string) bool { return name == "ads.i2p" }
		r.Beside = func(netip.Addr, string) (netip.Addr, bool) { return netip.MustParseAddr("10.193.0.1"), true }
	})
	c := testConfig.Clone()
	c.I2P, c.Unblocked = true, []string{"02:00:5e:10:00:09"}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct{ device, name, want string }{
		{"127.0.0.5", "Ads.i2p", "NXDOMAIN"}, {"127.0.0.5", "stats.i2p", "NOERROR 10.193.0.1"},
		{"127.0.0.9", "ads.i2p", "NOERROR 10.193.0.1"},
	} {
		if got := brief(h.ask(t, q.device, "udp", q.name, dns.TypeA)); got != q.want {
			t.Errorf("%s asks for %s: %s, want %s", q.device, q.name, got, q.want)
		}
	}
	if n := h.Stats().Blocked; n != 1 {
		t.Errorf("%d are counted", n)
	}
}
