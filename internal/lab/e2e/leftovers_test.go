//go:build lab

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/internal/lab/house"
)

// testLeftovers is about what others have left behind: addresses of a tor that
// is gone, marks of another program.
func testLeftovers(w *world) {
	w.run("virtual addresses of the tor before", staleAddresses)
	w.run("marks of another program", foreignMarks)
}

// staleAddresses: a device that remembers an onion's address over a restart of
// tor gets a closed connection at once, and asks again (M13).
func staleAddresses(w *world) {
	onion := w.must("friend", "tunic", "address", "home")
	stale := w.virtualOf(onion)
	before := w.status().Tor.Restarts
	w.one(syscall.SIGKILL, "tor")
	w.eventually("the next tor has begun", 30*time.Second, func() bool { return w.status().Tor.Restarts > before })
	w.ready()
	mark := w.wan.MustMark(w)
	for _, a := range stale {
		begin := time.Now()
		if n, err := w.hello(netip.AddrPortFrom(a, 70).String()); n > 0 || isTimeout(err) {
			w.Errorf("%s, of the tor before, sent %d bytes: %v", a, n, err)
		}
		w.timed("address of the tor before is closed", time.Since(begin))
	}
	w.pause(settle)
	if leaked := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(leaked) > 0 {
		w.Errorf("%d packets leaked, the first: %s", len(leaked), leaked[0])
	}
	w.timed("onion by a new address",
		w.fetched("phone", "Welcome to the box called friend", onionLimit, "gopher://"+onion+"/0/welcome.txt"))
}

// virtualOf asks for the addresses of an onion, one of each family.
func (w *world) virtualOf(onion string) []netip.Addr {
	w.Helper()
	var found []netip.Addr
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, err := w.question(w.phone, "udp", box4, onion, qtype, 10*time.Second)
		if err != nil || len(answers(reply)) != 1 {
			w.Fatalf("%s: %v, %v", onion, reply, err)
		}
		found = append(found, addr(answers(reply)[0]))
	}
	return found
}

// hello connects from the phone, asks for a page and reads a little.
func (w *world) hello(address string) (int, error) {
	w.Helper()
	conn, err := w.phone.Dial(w.ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("/welcome.txt\r\n")); err != nil {
		return 0, err
	}
	return conn.Read(make([]byte, 100))
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// foreignMarks: another program's bits of the mark stay, and ours beside them,
// also over a change of our rules (M15).
func foreignMarks(w *world) {
	rule := strings.Fields("PREROUTING -i br-lan -p tcp -j CONNMARK --set-xmark 0x53/0xffff")
	for _, tool := range house.Tools {
		w.must("gateway", slices.Concat([]string{tool, "-w", "-t", "mangle", "-A"}, rule)...)
	}
	defer func() {
		for _, tool := range house.Tools {
			w.must("gateway", slices.Concat([]string{tool, "-w", "-t", "mangle", "-D"}, rule)...) // fails if it is gone
		}
	}()
	for _, change := range []string{"before", "after"} {
		if change == "after" {
			w.policy("laptop", "block")
			w.noPolicy("laptop")
		}
		w.flushConntrack()
		w.arrives()
		want := fmt.Sprintf("mark=%d ", 0x01000053)
		if got := w.must("gateway", "conntrack", "-L", "-p", "tcp", "--orig-src", phone4); !strings.Contains(got, want) {
			w.Errorf("%s a reload no connection has %q:\n%s", change, want, got)
		}
	}
}
