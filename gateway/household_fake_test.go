package gateway

import (
	"context"
	"net/netip"
	"slices"

	"tunic/gateway/leases"
	"tunic/gateway/link"
	"tunic/rules"
)

func (f fakeTor) Stop()                        { _ = f.did("tor stops") }
func (f fakeTor) GaveUp(context.Context) bool  { f.mu.Lock(); defer f.mu.Unlock(); return f.gaveUp }
func (f fakeTor) NewNym(context.Context) error { return f.did("newnym") }

func (f fakeTor) Forget(_ context.Context, devices []netip.Addr) (int, error) {
	return 3, f.did("forget", devices)
}

func (f fakeServer) Renew(_ context.Context, devices []netip.Addr) error {
	return f.did("renew", devices)
}

// fakeSystem is a box with a DHCP server that knows two devices.
type fakeSystem struct{ *fakes }

func (f fakeSystem) Leases() ([]leases.Lease, error) {
	return []leases.Lease{
		{MAC: "02:00:00:00:00:99", Addr: netip.MustParseAddr("192.168.77.99"), Name: "phone"},
		{MAC: "02:00:00:00:00:98", Addr: netip.MustParseAddr("192.168.77.98"), Name: "twin"},
		{MAC: "02:00:00:00:00:97", Addr: netip.MustParseAddr("192.168.77.97"), Name: "twin"},
	}, f.failure("leases")
}

func (f fakeSystem) Resolvers() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")}
}

func (f fakeSystem) Addresses() ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.77.1"), netip.MustParseAddr("203.0.113.100")}, nil
}

// Via has 10.99.0.0/24 behind the laptop, a mesh on ygg0 and all else on the uplink.
func (f fakeSystem) Via(to netip.Addr) (string, netip.Addr, error) {
	switch {
	case netip.MustParsePrefix("10.99.0.0/24").Contains(to):
		return "br-lan", netip.MustParseAddr("192.168.77.10"), nil
	case netip.MustParsePrefix("200::/7").Contains(to):
		return "ygg0", netip.Addr{}, nil
	}
	if netip.MustParsePrefix("192.168.77.0/24").Contains(to) {
		return "br-lan", netip.Addr{}, nil
	}
	return "wan", netip.MustParseAddr("203.0.113.1"), f.failure("via")
}

func (f fakeSystem) Counters(context.Context, rules.Family) (map[string][]uint64, error) {
	return map[string][]uint64{"mangle TUNIC-CLASSIFY": slices.Repeat([]uint64{42}, 9)}, f.failure("counters")
}

func (f fakeSystem) Wall() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wall, f.fail["wall"]
}

func (f fakeTor) AskAgain(_ context.Context, host string)         { _ = f.did("ask again", host) }
func (f fakeTor) Republish(_ context.Context, onion string) error { return f.did("republish", onion) }

func (f fakeServer) Mail(_ context.Context, q link.MailQuestion) (link.MailAnswer, error) {
	return link.MailAnswer{Messages: []link.Letter{{ID: q.Word,
		Recipients: []link.LetterRecipient{{To: "bob@x", State: "waiting"}}}}, Count: 2}, f.did("mail", q.Verb, q.Word)
}
