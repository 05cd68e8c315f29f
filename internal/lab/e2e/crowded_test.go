//go:build lab

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tunic/gateway/tor"
	"tunic/internal/lab/traffic"
)

// One device wants all of tor, against ordinary ones.
const (
	ordinaries = 20
	pages      = 5    // that an ordinary one fetches, one after the other
	greedy     = 3000 // connections that the greedy one wants
)

// testCrowded: a device takes what it can of TransPort, by one address, some and
// many. It gets its share, and what twenty ordinary devices fetch meanwhile takes
// no more than twice as long as before, and a second.
func testCrowded(w *world) {
	gluttons := []*glutton{
		{host: w.nas, from: []string{nas4}},
		{host: w.phone, from: w.moreAddresses("phone", "a", 30)},
		{host: w.laptop, from: w.moreAddresses("laptop", "b", 300)},
	}
	calm := w.fetchAll(w.ordinary(0, ordinaries))
	w.Logf("nobody else: %v", calm)
	for i, g := range gluttons {
		w.run(fmt.Sprintf("by %d addresses", len(g.from)), func(w *world) { crowded(w, w.ordinary(i+1, ordinaries), g, calm) })
	}
}

// atFirst is what a device may have more in the moment in which it comes with
// addresses that nobody has seen.
const atFirst = 64

func crowded(w *world, devices []ordinary, g *glutton, calm waits) {
	ctx, stop := context.WithCancel(w.ctx)
	defer g.end.Wait()
	defer stop()
	g.start(ctx)
	w.eventually("the greedy device has tried", 30*time.Second, func() bool { return g.tried.Load() >= greedy/2 })
	took := w.fetchAll(devices)
	w.eventually("the greedy device has tried everything", 30*time.Second, func() bool { return g.tried.Load() >= greedy })
	if len(g.from) > 1 {
		w.eventually("the rules refuse the greedy device", 30*time.Second, func() bool {
			return strings.Contains(w.must("gateway", "iptables", "-t", "nat", "-S", "TUNIC-FULL"), "--mac-source")
		})
	}
	streams := strings.Count(w.ask(w.paths().TorRun(), "GETINFO stream-status"), " SUCCEEDED ")
	w.Logf("besides one that wants %d: %v; it has %d open after %d tries, tor has %d streams",
		greedy, took, g.open.Load(), g.tried.Load(), streams)
	if n := g.open.Load(); n > tor.DeviceStreams+atFirst || n == 0 || streams > tor.DeviceStreams+atFirst {
		w.Errorf("the greedy device has %d connections, tor %d streams; its share is %d", n, streams, tor.DeviceStreams)
	}
	for _, c := range []struct {
		what       string
		calm, took time.Duration
	}{{"first", calm.first, took.first}, {"further", calm.further, took.further}} {
		// All relays of the lab share its processors with whatever else runs. Who is starved waits for seconds.
		if limit := 2*c.calm + time.Second; c.took > limit {
			w.Errorf("the %s pages took %v on average, and %v before", c.what, c.took, c.calm)
		}
	}
}

// glutton opens connections from its addresses in turn, keeps them, and opens
// another for each that ends.
type glutton struct {
	host traffic.Host
	from []string

	open, tried atomic.Int64
	end         sync.WaitGroup
}

// hands are how many connections the greedy one opens at a time, and handPause how
// long a hand rests after each: a thousand a second, or this machine, on which
// everybody is, would have nothing else to do.
const (
	hands     = 64
	handPause = 64 * time.Millisecond
)

func (g *glutton) start(ctx context.Context) {
	free := make(chan string, greedy) // for each connection that it does not have its source
	for i := range greedy {
		free <- g.from[i%len(g.from)]
	}
	for range hands {
		g.end.Go(func() {
			_ = g.host.Do(func() error { // fails only if the lab is gone, which others notice
				for wait(ctx, handPause) {
					g.opens(ctx, free)
				}
				return nil
			})
		})
	}
}

// opens opens one connection, if one is missing.
func (g *glutton) opens(ctx context.Context, free chan string) {
	var from string
	select {
	case from = <-free:
	default:
		return
	}
	conn, err := dialFrom(ctx, from)
	g.tried.Add(1)
	if err != nil {
		free <- from
		return
	}
	g.end.Go(func() {
		g.keep(ctx, conn)
		free <- from
	})
}

func dialFrom(ctx context.Context, from string) (net.Conn, error) {
	to := web4 + ":80"
	if strings.Contains(from, ":") {
		to = "[" + web6 + "]:80"
	}
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return d.DialContext(ctx, "tcp", to)
}

// keep keeps a connection until it ends.
func (g *glutton) keep(ctx context.Context, conn net.Conn) {
	over := context.AfterFunc(ctx, func() { conn.Close() })
	defer over()
	defer conn.Close()
	g.open.Add(1)
	defer g.open.Add(-1)
	_, _ = io.Copy(io.Discard, conn) // until either end closes it
}

// moreAddresses gives a node addresses, as many as it likes.
func (w *world) moreAddresses(node, part string, n int) (list []string) {
	w.Helper()
	for i := range n {
		list = append(list, fmt.Sprintf("fd77::%s:%x", part, i+1))
	}
	batch := func(verb string) {
		var b strings.Builder
		for _, a := range list {
			fmt.Fprintf(&b, "address %s %s/64 dev eth0\n", verb, a)
		}
		w.must(node, "sh", "-c", "echo "+shellQuote(b.String())+" | ip -6 -batch -")
	}
	batch("add")
	w.Cleanup(func() { batch("delete") })
	return list
}

// ordinary is a device with a hardware address of its own, on the laptop's cable.
type ordinary struct{ name, addr string }

// ordinary makes n devices that nobody has seen before: after those of the sets of
// twenty before this one.
func (w *world) ordinary(set, n int) []ordinary {
	w.Helper()
	var list []ordinary
	var add, remove strings.Builder
	fmt.Fprintln(&add, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")
	for i := range n {
		o := ordinary{fmt.Sprintf("o%d-%d", set, i), netip4(100 + set*ordinaries + i)}
		list = append(list, o)
		fmt.Fprintf(&add, "ip link add %s link eth0 address 02:00:00:0c:%02x:%02x type macvlan mode private\n", o.name, set, i)
		fmt.Fprintf(&add, "ip link set %s up; ip address add %s/32 dev %s\n", o.name, o.addr, o.name)
		fmt.Fprintf(&add, "sysctl -qw net.ipv4.conf.%s.rp_filter=0\n", o.name)
		fmt.Fprintf(&add, "ip route add default via %s dev %s onlink metric %d\n", box4, o.name, 5000+set*ordinaries+i)
		fmt.Fprintf(&remove, "ip link delete %s\n", o.name)
	}
	w.must("laptop", "sh", "-ec", add.String())
	w.Cleanup(func() {
		w.must("laptop", "sh", "-c", remove.String()+"sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0")
	})
	return list
}

// waits are how long pages took on average: the first of each device, for which
// tor builds a circuit, and the others.
type waits struct{ first, further time.Duration }

func (t waits) String() string {
	return fmt.Sprintf("%v for the first page, %v for others", t.first.Round(time.Millisecond), t.further.Round(time.Millisecond))
}

// fetchAll has all devices fetch pages at a time. None may fail.
func (w *world) fetchAll(devices []ordinary) waits {
	w.Helper()
	took := make([][]time.Duration, len(devices))
	var group sync.WaitGroup
	for i, o := range devices {
		group.Go(func() {
			for range pages {
				begin := time.Now()
				if err := w.fetch(o); err != nil {
					w.Errorf("%s: page %d: %v after %v", o.name, len(took[i]), err, time.Since(begin).Round(time.Millisecond))
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	group.Wait()
	var first, further []time.Duration
	for _, t := range took {
		first, further = append(first, t[0]), append(further, t[1:]...)
	}
	return waits{average(first), average(further)}
}

func average(list []time.Duration) time.Duration {
	sum := time.Duration(0)
	for _, d := range list {
		sum += d
	}
	return sum / time.Duration(len(list))
}

// dial connects from the device to a TCP address.
func (w *world) dial(o ordinary, address string) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(o.addr)},
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), o.name) }) // fails only if err does
			return err
		}}
	err = w.laptop.Do(func() (err error) {
		conn, err = d.DialContext(w.ctx, "tcp", address)
		return err
	})
	return conn, err
}

func (w *world) fetch(o ordinary) error {
	conn, err := w.dial(o, web4+":80")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET /ip HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	page, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(page), "HTTP/1.0 200") {
		err = fmt.Errorf("the page is %q", page)
	}
	return err
}
