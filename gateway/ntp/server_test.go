package ntp

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"tunic/gateway/device"
)

func newServer(t *testing.T, c Clock) *Server {
	t.Helper()
	s, err := New(Options{Log: slog.New(slog.DiscardHandler), Clock: func() Clock { return c }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs s on a wildcard socket and returns its port. It must end with ctx.
func serve(t *testing.T, s *Server, network string) int {
	t.Helper()
	pc, err := net.ListenPacket(network, ":0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, pc) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Serve does not end")
		}
	})
	return pc.LocalAddr().(*net.UDPAddr).Port
}

// exchange asks at addr over a connected socket, which takes an answer only
// from there, and waits so long for it.
func exchange(t *testing.T, addr string, port int, b []byte, wait time.Duration) []byte {
	t.Helper()
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(addr), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(wait))
	got := make([]byte, 1500)
	n, err := c.Read(got)
	if err != nil {
		return nil
	}
	return got[:n]
}

func TestAnswersFromWhereItWasAsked(t *testing.T) {
	s := newServer(t, Clock{Trusted: true})
	port4, port6 := serve(t, s, "udp4"), serve(t, s, "udp6")
	for addr, port := range map[string]int{"127.0.0.1": port4, "127.0.0.9": port4, "::1": port6} {
		before := time.Now()
		got := exchange(t, addr, port, append(ask(4, 3), make([]byte, 100)...), 30*time.Second)
		if len(got) != packetLen {
			t.Fatalf("%s: %d bytes", addr, len(got))
		}
		told := time.Unix(int64(binary.BigEndian.Uint32(got[40:]))-epoch, 0)
		if after := time.Now(); told.Before(before.Add(-2*time.Second)) || told.After(after.Add(2*time.Second)) {
			t.Errorf("%s: the time is %v, and it was asked between %v and %v", addr, told, before, after)
		}
	}
	if got := exchange(t, "127.0.0.1", port4, ask(2, 7), 300*time.Millisecond); got != nil {
		t.Errorf("a command was answered: % x", got)
	}
	for end := time.Now().Add(30 * time.Second); s.Stats().Refused == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if st := s.Stats(); st.Answered != 3 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
}

func TestLimits(t *testing.T) {
	l, now := newLimiter(), time.Now()
	a, b := netip.MustParseAddr("192.168.77.10"), netip.MustParseAddr("192.168.77.11")
	n := 0
	for range 100 {
		if l.allow(key(a), now) {
			n++
		}
	}
	if n != deviceBurst || !l.allow(key(b), now) {
		t.Errorf("one device got %d answers at once, want %d, and the other must get its own", n, deviceBurst)
	}
	if !l.allow(key(a), now.Add(deviceEvery)) {
		t.Error("it never gets any again")
	}
	addr := netip.MustParseAddr("2001:db8::")
	for range 2 * maxDevices {
		addr = addr.Next()
		l.allow(key(addr), now)
	}
	if len(l.each) != maxDevices || l.allow(key(addr.Next()), now) {
		t.Errorf("%d devices are remembered", len(l.each))
	}
	later := now.Add(2 * forgetAfter)
	if !l.allow(key(addr.Next()), later) || len(l.each) != 1 {
		t.Errorf("%d devices after a silence", len(l.each))
	}
	n = 0
	for range 2 * allBurst {
		addr = addr.Next()
		if l.allow(key(addr), later) {
			n++
		}
	}
	if n > allBurst {
		t.Errorf("%d answers at once to invented addresses", n)
	}
}

func TestNewWantsEverything(t *testing.T) {
	if _, err := New(Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a server without a clock")
	}
	if _, err := New(Options{Clock: func() Clock { return Clock{} }}); err == nil {
		t.Error("a server without a log")
	}
}

func TestServeTakesOnlyUDP(t *testing.T) {
	pc, err := net.ListenPacket("unixgram", "@tunic-ntp-test-"+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := newServer(t, Clock{}).Serve(t.Context(), pc); err == nil {
		t.Error("it serves on a unix socket")
	}
}

// The kernel's word is passed on as it is: whatever machine this is, asking
// works without privileges and the error is not negative.
func TestKernelClock(t *testing.T) {
	c, err := KernelClock()
	if err != nil || c.MaxError < 0 {
		t.Errorf("%+v, %v", c, err)
	}
	t.Logf("this machine: %+v", c)
}

// key takes each address for a device.
func key(a netip.Addr) device.Key { return device.Key(a.String()) }

// A device that asks from many addresses is answered as often as from one.
func TestDeviceWithManyAddresses(t *testing.T) {
	s, err := New(Options{Log: slog.New(slog.DiscardHandler), Clock: func() Clock { return Clock{} },
		Devices: &device.Table{Read: func() (map[netip.Addr]string, error) {
			macs := make(map[netip.Addr]string)
			for i := range 256 {
				macs[netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})] = "02:00:5e:10:ff:ff"
				macs[netip.AddrFrom4([4]byte{127, 0, 2, byte(i)})] = fmt.Sprintf("02:00:5e:10:00:%02x", i)
			}
			return macs, nil
		}}})
	if err != nil {
		t.Fatal(err)
	}
	now, n := time.Now(), 0
	for i := range 256 {
		if s.limit.allow(s.Devices.Of(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})), now) {
			n++
		}
	}
	if n != deviceBurst {
		t.Errorf("%d answers", n)
	}
	for i := range 20 {
		if !s.limit.allow(s.Devices.Of(netip.AddrFrom4([4]byte{127, 0, 2, byte(i)})), now) {
			t.Errorf("ordinary device %d is refused", i)
		}
	}
}
