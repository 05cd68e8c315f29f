package tor

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// someRelays is what tor says of two relays, one of them with IPv6.
const someRelays = `r exit1 AAAAAAAAAAAAAAAAAAAAAAAAAAA BBBBBBBBBBBBBBBBBBBBBBBBBBB 2038-01-01 00:00:00 203.0.113.11 9001 0
a [2001:db8::11]:9001
s Exit Fast Guard Running
w Bandwidth=20
r exit2 CCCCCCCCCCCCCCCCCCCCCCCCCCC 2038-01-01 00:00:00 203.0.113.12 443 9030
s Running
r broken D 203.0.113.13 x 0
r x y z 2038-01-01 00:00:00 300.0.0.1 9001 0
a [2001:db8::14:9001
`

func TestParseRelays(t *testing.T) {
	got := parseRelays(someRelays)
	for _, at := range []string{"203.0.113.11:9001", "[2001:db8::11]:9001", "203.0.113.12:443", "[::ffff:203.0.113.12]:443"} {
		if !got.has(netip.MustParseAddrPort(at)) {
			t.Errorf("%s is missing", at)
		}
	}
	if len(got) != 3 || got.has(netip.MustParseAddrPort("203.0.113.12:9030")) {
		t.Errorf("%d addresses: %v", len(got), got)
	}
}

func FuzzParseRelays(f *testing.F) {
	f.Add(someRelays)
	f.Fuzz(func(t *testing.T, text string) {
		for at := range parseRelays(text) {
			if !at.IsValid() || at.Addr().Zone() != "" || at.Addr().Is4In6() {
				t.Errorf("%v", at)
			}
		}
	})
}

func stream(id int, status, target, rest string) string {
	return fmt.Sprintf("STREAM %d %s 0 %s %s", id, status, target, rest)
}

const fromPhone = "SOURCE_ADDR=192.168.77.10:46540 PURPOSE=USER CLIENT_PROTOCOL=TRANS NYM_EPOCH=0 SESSION_GROUP=-2 ISO_FIELDS=CLIENTADDR"

func TestDialers(t *testing.T) {
	d := &dialers{}
	now := time.Unix(1e9, 0)
	relay := "203.0.113.11:9001"
	if d.event(stream(1, "NEW", relay, fromPhone), now) {
		t.Error("a relay is known before the consensus")
	}
	d.learn(parseRelays(someRelays))
	for _, line := range []string{
		stream(4, "NEW", "203.0.113.11:443", fromPhone), // the same host's web server
		stream(5, "NEW", "exit1.example:9001", fromPhone),
		stream(6, "SENTCONNECT", relay, fromPhone),
		stream(7, "NEW", relay, strings.Replace(fromPhone, "=TRANS", "=SOCKS5", 1)),
		stream(8, "NEW", relay, "SOURCE_ADDR=(Tor_internal):9001 PURPOSE=DIR_FETCH"),
		stream(9, "NEW", relay, `SOURCE_ADDR="192.168.77.10:1`),
		"STREAM",
		"STREAM 1 NEW 0 203.0.113.11:9001",
	} {
		if d.event(line, now) || len(d.list(now)) != 0 {
			t.Errorf("%q counts: %+v", line, d.list(now))
		}
	}
	if !d.event(stream(2, "NEW", relay, fromPhone), now) {
		t.Error("a first dial is not new")
	}
	if d.event(stream(3, "NEW", "[::ffff:203.0.113.11]:9001", fromPhone), now) {
		t.Error("a second dial is new")
	}
	tablet := strings.Replace(fromPhone, "192.168.77.10", "[2001:db8:77::12]", 1)
	later := now.Add(time.Hour)
	if !d.event(stream(10, "NEW", "[2001:db8::11]:9001", tablet), later) {
		t.Error("another device is not new")
	}
	got := d.list(later)
	want := []OverTor{
		{netip.MustParseAddr("192.168.77.10"), netip.MustParseAddrPort(relay), 2, now, now},
		{netip.MustParseAddr("2001:db8:77::12"), netip.MustParseAddrPort("[2001:db8::11]:9001"), 1, later, later},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := d.list(now.Add(overTorKept + time.Minute)); len(got) != 1 {
		t.Errorf("a day later: %+v", got)
	}
}

// A device that dials everything does not fill the memory.
func TestDialersAreBounded(t *testing.T) {
	d := &dialers{relays: relaySet{}}
	now := time.Unix(1e9, 0)
	for i := range 3 * overTorMost {
		relay := fmt.Sprintf("203.0.%d.%d:9001", i/250, i%250+1)
		d.relays.add(netip.MustParseAddrPort(relay))
		now = now.Add(time.Second)
		if !d.event(stream(i, "NEW", relay, fromPhone), now) {
			t.Fatalf("dial %d is not new", i)
		}
	}
	list := d.list(now)
	if len(list) != overTorMost || !slices.ContainsFunc(list, func(o OverTor) bool { return o.Last.Equal(now) }) {
		t.Errorf("%d are kept", len(list))
	}
}

// TestLearnRelays: the long list is asked for once for each consensus.
func TestLearnRelays(t *testing.T) {
	f := newFakeControl(t, []exchange{
		{"GETINFO consensus/valid-after", "250-consensus/valid-after=2026-11-23 22:00:00\n250 OK"},
		{"GETINFO ns/all", "250+ns/all=\n" + someRelays + ".\n250 OK"},
		{"GETINFO consensus/valid-after", "250-consensus/valid-after=2026-11-23 22:00:00\n250 OK"},
		{"GETINFO consensus/valid-after", "551 No consensus"},
	})
	s := &session{}
	var err error
	if s.commands, err = dialControl(t.Context(), f.socket, "", os.Getpid()); err != nil {
		t.Fatal(err)
	}
	defer s.commands.close()
	date, relays, err := s.relays("")
	if err != nil || len(relays) != 3 {
		t.Fatalf("%d relays, %v", len(relays), err)
	}
	if _, again, err := s.relays(date); again != nil || err != nil {
		t.Errorf("the same consensus: %v, %v", again, err)
	}
	if _, _, err := s.relays(date); err == nil {
		t.Error("without a consensus")
	}
	tor := New(Options{Log: slog.New(slog.DiscardHandler)})
	tor.dialers.learn(relays)
	tor.dialers.event(stream(42, "NEW", "203.0.113.12:443", fromPhone), time.Now())
	if got := tor.Status().OverTor; len(got) != 1 || got[0].Relay.Port() != 443 {
		t.Errorf("status: %+v", got)
	}
}

// manyRelays is a list as long as the public network's.
func manyRelays(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r relay%d AAAAAAAAAAAAAAAAAAAAAAAAAAA BBBBBBBBBBBBBBBBBBBBBBBBBBB 2038-01-01 00:00:00 198.51.%d.%d 9001 0\n"+
			"a [2001:db8::%x]:9001\ns Fast Guard HSDir Running Stable V2Dir Valid\nw Bandwidth=5000\n", i, i/250, i%250, i+1)
	}
	return b.String()
}

func BenchmarkParseRelays(b *testing.B) {
	text := manyRelays(8000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if len(parseRelays(text)) != 16000 {
			b.Fatal("some are missing")
		}
	}
}

// BenchmarkStreamEvent is what each ordinary connection of a device costs.
func BenchmarkStreamEvent(b *testing.B) {
	d := &dialers{}
	d.learn(parseRelays(manyRelays(8000)))
	line := stream(7, "NEW", "192.0.2.80:443", fromPhone)
	b.ReportAllocs()
	for b.Loop() {
		if d.event(line, time.Time{}) {
			b.Fatal("taken for a dial to a relay")
		}
	}
}
