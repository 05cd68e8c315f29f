package tor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

const (
	newFromPhone  = `STREAM 7 NEW 0 198.51.100.1:443 SOURCE_ADDR=192.168.77.10:46540 PURPOSE=USER CLIENT_PROTOCOL=TRANS`
	newFromPhone6 = `STREAM 8 NEW 0 [2001:db8::1]:443 SOURCE_ADDR=2001:db8:77::10:52102 PURPOSE=USER`
	newFromSOCKS  = `STREAM 9 NEW 0 example.org:443 SOURCE_ADDR=127.0.0.1:40000 PURPOSE=USER SOCKS_USERNAME="192.168.77.10" ` +
		`SOCKS_PASSWORD="x" CLIENT_PROTOCOL=SOCKS5`
	newFromTV  = `STREAM 10 NEW 0 198.51.100.2:443 SOURCE_ADDR=192.168.77.20:46540 PURPOSE=USER`
	newFromDNS = `STREAM 11 NEWRESOLVE 0 example.org:0 SOURCE_ADDR=127.80.3.9:5353 PURPOSE=USER`
)

var phone, tv = netip.MustParseAddr("192.168.77.10"), netip.MustParseAddr("192.168.77.20")

func circuitsOf(u *users, d ...netip.Addr) []string {
	var ids []string
	for id := range u.circuits(d) {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func TestUsersRememberCircuits(t *testing.T) {
	var u users
	now := time.Now()
	for _, line := range []string{
		newFromPhone, newFromSOCKS, newFromTV, newFromDNS,
		"STREAM 7 SENTCONNECT 21 198.51.100.1:443",
		"STREAM 7 SUCCEEDED 21 198.51.100.1:443",
		"STREAM 9 SENTCONNECT 22 example.org:443",
		"STREAM 10 SENTCONNECT 23 198.51.100.2:443",
		"STREAM 11 SENTRESOLVE 24 example.org:0",
		"STREAM 7 DETACHED 0 198.51.100.1:443 REASON=TIMEOUT",
		"STREAM 7 SENTCONNECT 25 198.51.100.1:443",
		"STREAM 7 CLOSED 25 198.51.100.1:443 REASON=DONE",
		"STREAM 99 SUCCEEDED 26 198.51.100.9:443",
		"STREAM", "STREAM 7", "STREAM 7 NEW 0 x", `STREAM 7 NEW 0 x SOURCE_ADDR="`, "STREAM 7 NEW 0 x SOURCE_ADDR=(Tor_internal):0",
	} {
		u.event(line, now)
	}
	if got := circuitsOf(&u, phone); !slices.Equal(got, []string{"21", "22", "25"}) {
		t.Errorf("the phone used %v", got)
	}
	if got := circuitsOf(&u, tv); !slices.Equal(got, []string{"23"}) {
		t.Errorf("the TV used %v", got)
	}
	u.forget([]netip.Addr{phone})
	if got := circuitsOf(&u, phone, tv); !slices.Equal(got, []string{"23"}) {
		t.Errorf("after forgetting the phone: %v", got)
	}
	u.reset()
	if got := circuitsOf(&u, phone, tv); got != nil {
		t.Errorf("a new tor has used %v", got)
	}
}

// tor writes IPv6 sources without brackets.
func TestUsersIPv6(t *testing.T) {
	var u users
	u.event(newFromPhone6, time.Now())
	u.event("STREAM 8 SENTCONNECT 30 [2001:db8::1]:443", time.Now())
	if got := circuitsOf(&u, netip.MustParseAddr("2001:db8:77::10")); !slices.Equal(got, []string{"30"}) {
		t.Errorf("got %v", got)
	}
}

func TestUsersAreBounded(t *testing.T) {
	var u users
	start := time.Now()
	u.event(newFromTV, start)
	u.event("STREAM 10 SENTCONNECT tv 198.51.100.2:443", start) // stays open: its circuit is not forgotten
	for i := range 3 * maxUsed {
		now := start.Add(time.Duration(i) * time.Second)
		id := fmt.Sprint(1000 + i)
		u.event("STREAM "+id+" NEW 0 x:1 SOURCE_ADDR=192.168.77.10:1", now)
		u.event("STREAM "+id+" SENTCONNECT c"+id+" x:1", now)
		u.event("STREAM "+id+" CLOSED c"+id+" x:1", now)
	}
	if len(u.used) > maxUsed || len(u.streams) != 1 {
		t.Errorf("%d circuits and %d streams are remembered", len(u.used), len(u.streams))
	}
	if got := circuitsOf(&u, tv); !slices.Equal(got, []string{"tv"}) {
		t.Errorf("an open stream's circuit was forgotten: %v", got)
	}
	for i := range 2 * maxStreams {
		u.event(fmt.Sprintf("STREAM s%d NEW 0 x:1 SOURCE_ADDR=192.168.77.10:1", i), start)
	}
	if len(u.streams) > maxStreams {
		t.Errorf("%d streams are remembered", len(u.streams))
	}
}

func TestTwins(t *testing.T) {
	lines := []string{
		"21 BUILT $A~a,$B~b BUILD_FLAGS=NEED_CAPACITY PURPOSE=CONFLUX_LINKED CONFLUX_ID=AB CONFLUX_RTT=1",
		"22 BUILT $A~a,$C~c PURPOSE=GENERAL",
		"23 BUILT $A~a,$D~d PURPOSE=CONFLUX_LINKED CONFLUX_ID=AB",
		"24 BUILT $A~a PURPOSE=CONFLUX_LINKED CONFLUX_ID=CD",
		"25 BUILT \"",
	}
	if got := withTwins(map[string]bool{"21": true, "99": true}, lines); !slices.Equal(got, []string{"21", "23"}) {
		t.Errorf("got %v", got)
	}
	if got := withTwins(map[string]bool{"22": true, "25": true}, lines); !slices.Equal(got, []string{"22", "25"}) {
		t.Errorf("got %v", got)
	}
}

func TestNewNymWithoutTor(t *testing.T) {
	var x Tor
	if err := x.NewNym(t.Context()); !errors.Is(err, errNotRunning) {
		t.Errorf("NewNym: %v", err)
	}
	if _, err := x.Forget(t.Context(), []netip.Addr{phone}); !errors.Is(err, errNotRunning) {
		t.Errorf("Forget: %v", err)
	}
}

func FuzzUsers(f *testing.F) {
	for _, line := range []string{newFromPhone, newFromSOCKS, "STREAM 7 SENTCONNECT 21 x:1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var u users
		u.event(newFromTV, time.Now())
		u.event(line, time.Now())
		if len(u.streams) > 2 || len(u.used) > 1 {
			t.Errorf("one line made %d streams and %d circuits", len(u.streams), len(u.used))
		}
	})
}

// Forget closes the used circuits with their twins, and does not mind one that
// has gone meanwhile.
func TestForget(t *testing.T) {
	f := newFakeControl(t, []exchange{
		{"GETINFO circuit-status", "250+circuit-status=\n21 BUILT $A~a PURPOSE=GENERAL\n.\n250 OK"},
		{"GETINFO circuit-status", "250+circuit-status=\n21 BUILT $A~a PURPOSE=CONFLUX_LINKED CONFLUX_ID=AB\n" +
			"22 BUILT $B~b PURPOSE=GENERAL\n23 BUILT $C~c PURPOSE=CONFLUX_LINKED CONFLUX_ID=AB\n.\n250 OK"},
		{"CLOSECIRCUIT 21", "250 OK"},
		{"CLOSECIRCUIT 23", "552 Unknown circuit \"23\""},
		{"GETINFO circuit-status", "250+circuit-status=\n.\n250 OK"},
		{"SIGNAL NEWNYM", "250 OK"},
		{"SIGNAL NEWNYM", "551 no"},
	})
	commands, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer commands.close()
	ours, tors := net.Pipe()
	defer ours.Close()
	defer tors.Close()
	events := newController(ours)
	x := Tor{session: &session{commands: commands, events: events}}
	x.users.event(newFromPhone, time.Now())
	x.users.event("STREAM 7 SENTCONNECT 21 198.51.100.1:443", time.Now())
	if n, err := x.Forget(t.Context(), []netip.Addr{tv}); n != 0 || err != nil {
		t.Errorf("a device without circuits: %d, %v", n, err)
	}
	if n, err := x.Forget(t.Context(), []netip.Addr{phone}); n != 1 || err != nil {
		t.Errorf("%d circuits, %v", n, err)
	}
	if len(events.pause.hurry) == 0 {
		t.Error("streams of which tor has told, and nobody has read yet, stay open")
	}
	if n, err := x.Forget(t.Context(), []netip.Addr{phone}); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
	if err := x.NewNym(t.Context()); err != nil {
		t.Errorf("NewNym: %v", err)
	}
	if err := x.NewNym(t.Context()); err == nil {
		t.Error("a refusal of tor's is no error")
	}
}
