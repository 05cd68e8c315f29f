package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

// twice is what tor is asked for www.example.com by two devices.
const twice = "A www.example.com., A www.example.com., AAAA www.example.com., AAAA www.example.com."

// Each device reaches tor from an address of its own, and neither shares an
// answer nor a question under way with another.
func TestDevicesShareNothing(t *testing.T) {
	tor := &upstream{strict: torStrict, dig: torNames("www.example.com. 300 A 93.184.216.34")}
	h := newHome(t, testConfig, tor)
	for _, device := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"} {
		if got := brief(h.ask(t, device, "udp", "www.example.com", dns.TypeA)); got != "NOERROR 93.184.216.34" {
			t.Fatal(got)
		}
	}
	if tor.since(0, 4) != twice || h.Stats().Cached != 2 {
		t.Errorf("tor was asked %q, %d answers came from the cache; want one question for each family", tor, h.Stats().Cached)
	}
	from := tor.sources()
	for _, device := range []string{"127.0.0.2", "127.0.0.3"} {
		if !from[LoopbackFor(netip.MustParseAddr(device), testSecret)] {
			t.Errorf("%s did not reach tor from its address: %v", device, from)
		}
	}
}

func TestSameQuestionIsMergedPerDevice(t *testing.T) {
	tor := &upstream{strict: torStrict}
	names := torNames("www.example.com. 300 A 93.184.216.34")
	tor.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		time.Sleep(300 * time.Millisecond)
		return names(q, req)
	}
	h := newHome(t, testConfig, tor)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			m := new(dns.Msg)
			m.SetQuestion("www.example.com.", dns.TypeA)
			reply, err := h.trySend(fmt.Sprintf("127.0.0.%d", 2+i%2), "udp", m, patience)
			if err != nil || brief(reply) != "NOERROR 93.184.216.34" {
				t.Errorf("%v, %v", reply, err)
			}
		})
	}
	all.Wait()
	if asked := tor.since(0, 4); asked != twice {
		t.Errorf("tor was asked %q, want one question for each family of each device", asked)
	}
}

func TestSetForgetsOnlyOnChange(t *testing.T) {
	tor := &upstream{strict: torStrict, dig: torNames("www.example.com. 300 A 93.184.216.34")}
	h := newHome(t, testConfig, tor)
	changed := testConfig.Clone()
	changed.Box = append(changed.Box, netip.MustParsePrefix("93.184.216.1/24"))
	for _, step := range []struct {
		config Config
		want   string
		asked  int
	}{
		{testConfig, "NOERROR 93.184.216.34", 2},
		{testConfig.Clone(), "NOERROR 93.184.216.34", 2},
		{changed, "NOERROR", 4},
	} {
		if err := h.Set(step.config); err != nil {
			t.Fatal(err)
		}
		got := brief(h.ask(t, "", "udp", "www.example.com", dns.TypeA))
		if got != step.want || strings.Count(tor.since(0, step.asked), ",")+1 != step.asked {
			t.Errorf("%s after %d questions to tor, want %s after %d", got, tor.count(), step.want, step.asked)
		}
	}
}

func TestLoopbackFor(t *testing.T) {
	all := netip.MustParsePrefix("127.64.0.0/10")
	seen := make(map[netip.Addr]bool)
	for i := range 4096 {
		device := netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)})
		got := LoopbackFor(device, testSecret)
		last := got.As4()[3]
		if !all.Contains(got) || last == 0 || last == 255 {
			t.Fatalf("%v: %v", device, got)
		}
		if got != LoopbackFor(netip.AddrFrom16(device.As16()), testSecret) {
			t.Fatalf("%v: another address when it is written as IPv6", device)
		}
		seen[got] = true
	}
	// 4,096 of 4 million addresses: about two pairs meet by chance.
	if len(seen) < 4096-20 {
		t.Errorf("%d addresses for 4096 devices", len(seen))
	}
	device := netip.MustParseAddr("fe80::1%br-lan")
	if LoopbackFor(device, testSecret) != LoopbackFor(device.WithZone(""), testSecret) {
		t.Error("the zone makes a difference")
	}
	if LoopbackFor(device, testSecret) == LoopbackFor(device, [16]byte{}) {
		t.Error("the secret makes no difference")
	}
}

// apart takes each address for a device.
func apart(a netip.Addr) device.Key { return device.Key(a.String()) }

// A device with many addresses pushes out no answer of another device.
func TestCacheOfOneDeviceWithManyAddresses(t *testing.T) {
	c := newCache(func(a netip.Addr) device.Key {
		if a.Is6() {
			return "greedy"
		}
		return apart(a)
	})
	now := time.Unix(1000, 0)
	q := question{name: "kept.example.com.", qtype: dns.TypeA}
	for i := range 20 {
		c.put(c.owner(netip.AddrFrom4([4]byte{192, 168, 77, byte(10 + i)})), q, answer{ttl: time.Minute}, now)
	}
	for i := range 10 * cachedDevices {
		c.put(c.owner(netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(i >> 8), 15: byte(i)})), q, answer{ttl: time.Minute}, now)
	}
	for i := range 20 {
		if _, ok := c.get(netip.AddrFrom4([4]byte{192, 168, 77, byte(10 + i)}), q, now); !ok {
			t.Errorf("the answer of ordinary device %d was pushed out", i)
		}
	}
	c.forget(netip.MustParseAddr("192.168.77.10"))
	if _, ok := c.get(netip.MustParseAddr("192.168.77.10"), q, now); ok {
		t.Error("an answer was not forgotten")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c, now := newCache(apart), time.Unix(1000, 0)
	quiet := netip.MustParseAddr("192.168.77.10")
	kept := question{name: "kept.example.com.", qtype: dns.TypeA}
	c.put(c.owner(quiet), kept, answer{ttl: time.Minute}, now)
	loud := netip.MustParseAddr("192.168.77.11")
	for i := range 3 * cachedAnswers {
		c.put(c.owner(loud), question{name: fmt.Sprint(i), qtype: dns.TypeA}, answer{ttl: time.Minute}, now)
	}
	if _, ok := c.get(quiet, kept, now); !ok {
		t.Error("one device pushed out another's answer")
	}
	if _, ok := c.get(loud, question{name: "0", qtype: dns.TypeA}, now); ok {
		t.Error("the oldest answer was kept beyond the bound")
	}
	if a, ok := c.get(quiet, kept, now.Add(20*time.Second)); !ok || a.ttl != 40*time.Second {
		t.Errorf("after 20 s of a minute: %v, %v", a.ttl, ok)
	}
	if _, ok := c.get(quiet, kept, now.Add(time.Minute)); ok {
		t.Error("an answer outlived its time")
	}
	for i := range 2 * cachedDevices {
		c.put(c.owner(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})), kept, answer{ttl: time.Minute}, now)
	}
	if n := len(c.devices.index); n != cachedDevices {
		t.Errorf("%d devices are kept", n)
	}
}

// handedOver has all addresses belong to another device from the moment on in which hand is called;
// the first the kernel does not know.
func handedOver() (to func(*Resolver), hand func()) {
	var over atomic.Bool
	to = func(r *Resolver) {
		r.Devices.Again = time.Nanosecond
		r.Devices.Read = func() (map[netip.Addr]string, error) {
			if !over.Load() {
				return nil, nil
			}
			return manyDevices()
		}
	}
	return to, func() { over.Store(true) }
}

// during has hand called while a question is under way.
func during(hand func(), dig func(dns.Question, *dns.Msg) *dns.Msg) func(dns.Question, *dns.Msg) *dns.Msg {
	return func(q dns.Question, m *dns.Msg) *dns.Msg {
		hand()
		return dig(q, m)
	}
}

// What Tor says is kept for the device that asked, not for the one that has its address by then.
func TestAnswerAfterTheAddressWasHandedOver(t *testing.T) {
	to, hand := handedOver()
	tor := &upstream{dig: during(hand, torNames("www.example.com. 300 A 93.184.216.34"))}
	asksTwice(t, newHome(t, testConfig, tor, to))
}

// asksTwice has an address ask for a name when it is one device's and when it is another's.
func asksTwice(t *testing.T, h *home) {
	t.Helper()
	h.ask(t, "127.0.0.2", "udp", "www.example.com", dns.TypeA)
	before := h.tor.since(0, 2)
	h.ask(t, "127.0.0.2", "udp", "www.example.com", dns.TypeA)
	if again := h.tor.since(2, 2); len(again) != len(before) {
		t.Errorf("the next device with the address was answered by what the first had asked: %q, then %q", before, again)
	}
}

// The same if the address is another device's when the one family has been asked for and the other has not.
func TestAddressIsHandedOverBetweenTheFamilies(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the second begins when the first waits
	to, hand := handedOver()
	tor := &upstream{dig: torNames("www.example.com. 300 A 93.184.216.34")}
	asksTwice(t, newHome(t, testConfig, tor, to, func(r *Resolver) {
		dial := r.DialTor
		r.DialTor = func(ctx context.Context, device netip.Addr) (net.Conn, error) {
			hand()
			return dial(ctx, device)
		}
	}))
}

// A connection to a TLS server is used for no other device that gets the address.
func TestLineAfterTheAddressWasHandedOver(t *testing.T) {
	to, hand := handedOver()
	dig := zone("a.example.com. 300 A 93.184.216.1", "b.example.com. 300 A 93.184.216.2")
	s := newTLSServer(t, &upstream{dig: during(hand, dig)}, "127.0.0.1")
	h := newTLSHome(t, s, "", to)
	for i, name := range []string{"a.example.com", "b.example.com", "a.example.com", "b.example.com"} {
		if got := brief(h.ask(t, "", "udp", name, dns.TypeA)); !strings.HasPrefix(got, "NOERROR 93.184.216.") {
			t.Errorf("question %d: %s", i, got)
		}
	}
	if s.accepted() != 2 || s.count() != 3 {
		t.Errorf("%d questions over %d connections, want 3 over 2", s.count(), s.accepted())
	}
}
