package serve

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/ntp"
)

// udp hands over a UDP socket and returns its address.
func (p *parent) udp(name string) *net.UDPAddr {
	p.t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer pc.Close()
	f, err := pc.(*net.UDPConn).File()
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if err := p.end.Hand(name, f); err != nil {
		p.t.Fatal(err)
	}
	return pc.LocalAddr().(*net.UDPAddr)
}

// tcp hands over a listener and returns its address.
func (p *parent) tcp(name string) string {
	p.t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if err := p.end.Hand(name, f); err != nil {
		p.t.Fatal(err)
	}
	return ln.Addr().String()
}

// leap asks for the time and returns the answer's leap indicator, -1 for none.
func leap(t *testing.T, at *net.UDPAddr) int {
	t.Helper()
	answer := askTime(t, at)
	if answer == nil {
		return -1
	}
	return int(answer[0] >> 6)
}

// askTime asks for the time and returns the answer, nil for none.
func askTime(t *testing.T, at *net.UDPAddr) []byte {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	question := make([]byte, 48)
	question[0] = 4<<3 | 3
	c.Write(question)
	c.SetReadDeadline(time.Now().Add(20 * time.Second)) // where nobody listens the kernel says so at once
	answer := make([]byte, 100)
	if n, err := c.Read(answer); err != nil || n != 48 {
		return nil
	}
	return answer[:48]
}

// The time is told as trusted only if both the parent and the kernel say so,
// and not at all without the parent's wish.
func TestTimeServer(t *testing.T) {
	clock, err := ntp.KernelClock()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t)
	at := p.udp("ntp/a")
	p.apply(link.Desired{NTP: &link.NTP{Listeners: []string{"ntp/a"}}})
	if got := leap(t, at); got != 3 {
		t.Errorf("a clock that the parent does not trust: leap %d", got)
	}
	p.apply(link.Desired{NTP: &link.NTP{Listeners: []string{"ntp/a"}, Trusted: true}})
	want := 3
	if clock.Trusted {
		want = 0
	}
	if got := leap(t, at); got != want {
		t.Errorf("a clock that the parent trusts: leap %d, the kernel says %+v", got, clock)
	}
	p.apply(link.Desired{NTP: &link.NTP{Listeners: []string{"ntp/a"}, Trusted: true, Relays: new(saying(0))}})
	if got := leap(t, at); got != 0 {
		t.Errorf("relays have told the time: leap %d", got)
	}
	p.apply(link.Desired{})
	if got := leap(t, at); got != -1 {
		t.Errorf("the time is told although nobody wishes it: leap %d", got)
	}
}

// saying is what relays say when the box's clock is behind.
func saying(behind time.Duration) link.RelayTime {
	boot := ntp.SinceBoot()
	return link.RelayTime{Start: time.Now().Add(behind - boot), Error: time.Second, Boot: boot}
}

// The box's own client hears what relays say, or that nobody knows: never the
// clock that it is there to keep.
func TestOwnTime(t *testing.T) {
	p := start(t)
	at := p.udp("own")
	p.apply(link.Desired{NTP: &link.NTP{Own: []string{"own"}, Trusted: true}})
	if got := leap(t, at); got != 3 {
		t.Errorf("relays have said nothing: leap %d", got)
	}
	p.apply(link.Desired{NTP: &link.NTP{Own: []string{"own"}, Relays: new(saying(48 * time.Hour))}})
	answer := askTime(t, at)
	told := time.Unix(int64(binary.BigEndian.Uint32(answer[40:]))-2208988800, 0)
	if d := time.Until(told); answer[0]>>6 != 0 || d < 47*time.Hour || d > 49*time.Hour {
		t.Errorf("it is told % x, %s from now", answer[:1], d)
	}
	old := saying(0)
	old.Boot -= 27 * time.Hour
	p.apply(link.Desired{NTP: &link.NTP{Own: []string{"own"}, Relays: &old}})
	if got := leap(t, at); got != 3 {
		t.Errorf("relays said so yesterday: leap %d", got)
	}
}

func TestGrantAsksTheParent(t *testing.T) {
	var asks link.Mux
	link.Handle(&asks, link.LetThrough, func(_ context.Context, r link.Grant) (none struct{}, err error) {
		if r.Domain != "bank.example" || r.TTL != time.Minute || len(r.Addrs) != 1 || !r.Device.Is4() {
			err = errors.New("not that")
		}
		return none, err
	})
	p := startAnswering(t, &asks)
	ask := func(ctx context.Context, domain string) error {
		return p.serve.grant(ctx, netip.MustParseAddr("192.168.77.10"), domain, []netip.Addr{netip.MustParseAddr("203.0.113.7")},
			time.Minute)
	}
	if err := new(Server).grant(t.Context(), netip.Addr{}, "bank.example", nil, 0); !errors.Is(err, errNoParent) {
		t.Errorf("without a parent: %v", err)
	}
	p.status() // it has begun
	if err := ask(t.Context(), "bank.example"); err != nil {
		t.Errorf("granted: %v", err)
	}
	if err := ask(t.Context(), "evil.example"); err == nil || !strings.Contains(err.Error(), "the parent refuses: not that") {
		t.Errorf("refused: %v", err)
	}
}
