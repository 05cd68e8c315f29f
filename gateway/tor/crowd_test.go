package tor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/device"
)

// crowdHouse knows ten devices: "fd77::N:x", for any x, and 192.168.77.N are of
// device N.
func crowdHouse() *crowd {
	macs := make(map[netip.Addr]string)
	for n := range 10 {
		mac := fmt.Sprintf("02:00:00:00:00:%02x", n)
		macs[netip.MustParseAddr(fmt.Sprintf("192.168.77.%d", n))] = mac
		for x := range 2 * DeviceAddresses {
			macs[netip.MustParseAddr(fmt.Sprintf("fd77::%x:%x", n, x+1))] = mac
		}
	}
	return newCrowd(&device.Table{Read: func() (map[netip.Addr]string, error) { return macs, nil }}, func() {})
}

// opens has a device open connections, and returns which streams have to end.
func (c *crowd) opens(from string, first, n int) []string {
	for i := range n {
		c.event(fmt.Sprintf("STREAM %d NEW 0 198.51.100.1:443 SOURCE_ADDR=%s:%d PURPOSE=USER CLIENT_PROTOCOL=TRANS", first+i, from, 1024+i))
	}
	return c.ended()
}

func (c *crowd) closes(id int) {
	c.event(fmt.Sprintf("STREAM %d CLOSED 5 198.51.100.1:443 REASON=DONE", id))
}

func TestCrowdDeviceIsOneWithAllItsAddresses(t *testing.T) {
	c := crowdHouse()
	if got := c.opens("192.168.77.1", 0, DeviceStreams-1); got != nil {
		t.Fatalf("%v have to end, and none was too many", got)
	}
	if got := c.opens("fd77::1:1", 5000, 1); got != nil {
		t.Fatalf("%v have to end, and none was too many", got)
	}
	if got := c.opens("fd77::1:2", 6000, 2); !slices.Equal(got, []string{"6000", "6001"}) {
		t.Errorf("%v have to end, and not those that were too many", got)
	}
	if got := c.opens("192.168.77.2", 7000, 1); got != nil {
		t.Errorf("another device: %v have to end", got)
	}
	c.closes(6000) // has no place
	if got := c.opens("192.168.77.1", 8000, 1); len(got) != 1 {
		t.Errorf("%v have to end, and one is too many", got)
	}
	c.closes(5000)
	if got := c.opens("192.168.77.1", 8001, 1); got != nil {
		t.Errorf("one has ended, and %v have to end", got)
	}
}

func TestCrowdAddressesAreBounded(t *testing.T) {
	c := crowdHouse()
	for x := range DeviceAddresses {
		if got := c.opens(fmt.Sprintf("fd77::1:%x", x+1), 2*x, 2); got != nil {
			t.Fatalf("address %d: %v have to end", x, got)
		}
	}
	if got := c.opens(fmt.Sprintf("fd77::1:%x", DeviceAddresses+1), 1000, 1); !slices.Equal(got, []string{"1000"}) {
		t.Errorf("one address too many: %v have to end", got)
	}
	if got := c.opens("fd77::1:1", 1001, 1); got != nil {
		t.Errorf("an address that was there: %v have to end", got)
	}
	c.closes(2)
	if got := c.opens(fmt.Sprintf("fd77::1:%x", DeviceAddresses+1), 1002, 1); len(got) != 1 {
		t.Errorf("the address still has one: %v have to end", got)
	}
	c.closes(3)
	if got := c.opens(fmt.Sprintf("fd77::1:%x", DeviceAddresses+1), 1003, 1); got != nil {
		t.Errorf("an address has none any more: %v have to end", got)
	}
}

func TestCrowdGreediestMakesRoom(t *testing.T) {
	c := crowdHouse()
	for n := range crowdStreams / DeviceStreams {
		if got := c.opens(fmt.Sprintf("192.168.77.%d", n), n*DeviceStreams, DeviceStreams); got != nil {
			t.Fatalf("device %d: %d have to end", n, len(got))
		}
	}
	c.closes(DeviceStreams)
	if got := c.opens("192.168.77.9", 90000, 1); got != nil {
		t.Errorf("there was room: %v have to end", got)
	}
	got := c.opens("192.168.77.9", 90001, 1)
	if len(got) != 1 || got[0] == "90001" {
		t.Fatalf("%v have to end, and not one of who has the most", got)
	}
	var id int
	fmt.Sscan(got[0], &id)
	if id%DeviceStreams != 0 {
		t.Errorf("stream %d has to end, which is not its device's oldest", id)
	}
	c.closes(id)
	c.reset()
	if got := c.opens("192.168.77.1", 0, DeviceStreams); got != nil || len(c.streams) != DeviceStreams {
		t.Errorf("a new tor: %v have to end, %d are open", got, len(c.streams))
	}
}

// A device that was refused is full, until it has half of its share again and some
// time is over; one without a hardware address never is.
func TestCrowdFullDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowdHouse()
		var changes atomic.Int32
		c.changed = func() { changes.Add(1) }
		want := func(changed int32, macs ...string) {
			t.Helper()
			synctest.Wait()
			if got := c.fullDevices(); !slices.Equal(got, macs) || changes.Load() != changed {
				t.Errorf("full are %v after %d changes, want %v after %d", got, changes.Load(), macs, changed)
			}
		}
		c.opens("192.168.77.1", 0, DeviceStreams)
		c.opens("10.1.1.1", 2000, DeviceStreams+5)
		want(0)
		c.opens("fd77::1:1", 4000, 3)
		want(1, "02:00:00:00:00:01")
		for x := range DeviceAddresses + 1 {
			c.opens(fmt.Sprintf("fd77::2:%x", x+1), 5000+x, 1)
		}
		want(2, "02:00:00:00:00:01", "02:00:00:00:00:02")
		for x := range DeviceAddresses / 2 {
			c.closes(5000 + x)
		}
		want(2, "02:00:00:00:00:01", "02:00:00:00:00:02")
		time.Sleep(fullFor)
		want(3, "02:00:00:00:00:01")
		for id := range DeviceStreams/2 - 1 {
			c.closes(id)
		}
		want(3, "02:00:00:00:00:01")
		c.closes(DeviceStreams/2 - 1)
		want(4)
		c.opens("192.168.77.1", 9000, DeviceStreams/2+1)
		want(5, "02:00:00:00:00:01")
		c.reset() // what is left of the old tor changes nothing
		time.Sleep(fullFor)
		want(5)
	})
}

// So many devices at once that some have no rule leave nothing behind.
func TestCrowdManyFullDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		macs := make(map[netip.Addr]string)
		c := newCrowd(&device.Table{Read: func() (map[netip.Addr]string, error) { return macs, nil }}, func() {})
		for n := range 2 * fullMost {
			for x := range DeviceAddresses + 1 {
				macs[netip.MustParseAddr(fmt.Sprintf("fd77::%x:%x", n, x))] = fmt.Sprintf("02:00:00:00:00:%02x", n)
			}
		}
		each := func(do func(id int, from string)) {
			for n := range 2 * fullMost {
				for x := range DeviceAddresses + 1 {
					do(n*100+x, fmt.Sprintf("fd77::%x:%x", n, x))
				}
			}
		}
		each(func(id int, from string) { c.opens(from, id, 1) })
		if n := len(c.fullDevices()); n != fullMost {
			t.Errorf("%d are full, want %d", n, fullMost)
		}
		each(func(id int, _ string) { c.closes(id) })
		time.Sleep(fullFor)
		synctest.Wait()
		if len(c.devices) != 0 {
			t.Errorf("%d devices are remembered, and all has ended", len(c.devices))
		}
	})
}

// What does not come by TransPort, or is the box's own, has other bounds.
func TestCrowdIsOfTransPortAlone(t *testing.T) {
	c := crowdHouse()
	for _, line := range []string{
		newFromSOCKS, newFromDNS, newFromPhone6, "STREAM", "STREAM 7 NEW 0", "STREAM 7 CLOSED 0 x",
		"STREAM 99 SENTCONNECT 5 198.51.100.1:443",
		"STREAM 12 NEW 0 198.51.100.1:443 SOURCE_ADDR=127.0.0.1:5 PURPOSE=USER CLIENT_PROTOCOL=TRANS",
		"STREAM 13 NEW 0 198.51.100.1:443 SOURCE_ADDR=::1:5 PURPOSE=USER CLIENT_PROTOCOL=TRANS",
		"STREAM 14 NEW 0 198.51.100.1:443 SOURCE_ADDR=(Tor_internal):0 CLIENT_PROTOCOL=TRANS",
	} {
		c.event(line)
	}
	if len(c.streams) != 0 {
		t.Errorf("%d are counted", len(c.streams))
	}
	c.event(newFromPhone)
	if len(c.streams) != 1 {
		t.Errorf("%d are counted, and the phone has opened one", len(c.streams))
	}
	c.event("STREAM 7 FAILED 5 198.51.100.1:443 REASON=TIMEOUT")
	c.event("STREAM 7 CLOSED 5 198.51.100.1:443 REASON=TIMEOUT")
	if len(c.streams) != 0 || len(c.devices) != 0 || c.share.Open() != 0 {
		t.Errorf("%d streams, %d devices are remembered, and all has ended", len(c.streams), len(c.devices))
	}
}

// tor is told, one that has gone by itself is no trouble, and the end of the
// session ends it.
func TestCrowdStreamsAreEnded(t *testing.T) {
	f := newFakeControl(t, []exchange{
		{"CLOSESTREAM 1024 11", "250 OK"}, {"CLOSESTREAM 1025 11", `552 Unknown stream "1025"`}, {"CLOSESTREAM 1026 11", "551 no"},
		{"CLOSESTREAM 1027 11", "250 OK"},
	})
	tor := New(Options{Log: slog.New(slog.DiscardHandler)})
	tor.crowd.table = crowdHouse().table
	ctx, cancel := context.WithCancel(t.Context())
	commands, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	s := &session{commands: commands}
	done := make(chan struct{})
	go func() { tor.endStreams(ctx, s); close(done) }()
	for i := range DeviceStreams + 4 {
		tor.crowd.event(fmt.Sprintf("STREAM %d NEW 0 198.51.100.1:443 SOURCE_ADDR=192.168.77.1:%d PURPOSE=USER CLIENT_PROTOCOL=TRANS",
			i, 1024+i))
	}
	for end := time.Now().Add(30 * time.Second); len(f.received()) < 4 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := len(f.received()); got != 4 {
		t.Errorf("%d streams were ended, want 4", got)
	}
	cancel()
	<-done
}
