//go:build lab

package netfilter

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"tunic/rules"
)

// withDevices is a household of n devices with a policy of their own; the
// phone is the last of them by its address, so that a search finds it last.
func withDevices(n int) rules.Input {
	in := household()
	in.Buckets = true
	for i := range n - 1 {
		in.Devices = append(in.Devices, rules.Device{MAC: fmt.Sprintf("00:02:%02x:%02x:00:01", i>>8, i&0xff), Policy: rules.Direct})
	}
	in.Devices = append(in.Devices, rules.Device{MAC: phoneMAC, Policy: rules.Onion})
	return in
}

// BenchmarkApply loads the rules of a household of n devices:
//
//	first   into an empty kernel, as at boot
//	swap    from closed to open and back: most chains of all tables change
//	policy  one device's policy changes: the chain of all devices is loaded again
func BenchmarkApply(b *testing.B) {
	for _, devices := range []int{1, 100, 1000} {
		open := withDevices(devices)
		closed := open
		closed.Mode = rules.Lockdown
		other := withDevices(devices)
		other.Devices[0].Policy = rules.Block
		for name, pair := range map[string][2]rules.Input{"swap": {open, closed}, "policy": {open, other}} {
			b.Run(fmt.Sprintf("%s/devices=%d", name, devices), func(b *testing.B) { benchApply(b, pair, func(*Kernel) {}) })
		}
		b.Run(fmt.Sprintf("first/devices=%d", devices), func(b *testing.B) {
			benchApply(b, [2]rules.Input{open, open}, func(k *Kernel) {
				b.StopTimer()
				defer b.StartTimer()
				if err := k.Teardown(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// benchApply applies two inputs in turn, each after before.
func benchApply(b *testing.B, pair [2]rules.Input, before func(*Kernel)) {
	gw := newNode(b, "bench")
	k := gw.kernel()
	sets := []rules.Ruleset{compile(b, pair[0]), compile(b, pair[1])}
	gw.apply(k, sets[1])
	gw.do(func() {
		for i := 0; b.Loop(); i++ {
			before(k)
			if err := k.Apply(b.Context(), sets[i%2]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// throughput is a network in which the phone moves data.
type throughput struct {
	name  string
	phone *node
	times []time.Duration // of each portion
}

// portion is how much is moved over one connection before the next network's
// turn: long enough to be measured, short enough that a busy machine is as busy
// for all of them.
const portion = 8 << 20

// BenchmarkForward moves data from the phone to a server in the internet, as
// policy onion lets it, and BenchmarkRedirect to a server on tor's port, as
// policy tor does: every packet passes all our chains. The first of each has
// no rule at all, and the second those that a person would write; all are a ratio to
// the first. They take turns, portion by portion.
func BenchmarkForward(b *testing.B) {
	benchThroughput(b, rules.Onion, []string{
		"iptables -P FORWARD DROP",
		"iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"iptables -A FORWARD -i lan1 -o wan0 -j ACCEPT",
		"iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
	}, func(n *network) <-chan net.Conn { return n.internet.server(":8080") })
}

func BenchmarkRedirect(b *testing.B) {
	benchThroughput(b, rules.Tor, []string{"iptables -t nat -A PREROUTING -i lan1 -p tcp -j REDIRECT --to-ports 9240"},
		func(n *network) <-chan net.Conn { return n.gateway.server(":9240") })
}

func benchThroughput(b *testing.B, p rules.Policy, byHand []string, server func(*network) <-chan net.Conn) {
	var all []*throughput
	without := []int{-1} // a network without any rule
	if p == rules.Tor {
		without = nil // nothing would arrive
	}
	for i, devices := range append(without, 0, 1, 1000) {
		n := newUnwatched(b, fmt.Sprintf("b%d", i))
		name := fmt.Sprintf("devices=%d", devices)
		switch {
		case devices > 0:
			in := withDevices(devices)
			in.Devices[devices-1].Policy, in.Group = p, Group
			n.group("lan1", "lan2")
			n.apply(compile(b, in))
		case devices == 0:
			name = "by-hand"
			for _, line := range byHand {
				n.gateway.run(line)
			}
		default:
			name = "none"
		}
		conns := server(n)
		go func() {
			for c := range conns {
				go acknowledge(c)
			}
		}()
		all = append(all, &throughput{name: name, phone: n.phone})
	}
	data := make([]byte, portion)
	b.SetBytes(int64(len(all)) * portion)
	for round := 0; b.Loop(); round++ {
		for i := range all {
			all[(round+i)%len(all)].move(b, data)
		}
	}
	for _, t := range all {
		b.ReportMetric(float64(portion)/1e6/median(t.times).Seconds(), t.name+"-MB/s")
		b.ReportMetric(median(all[0].times).Seconds()/median(t.times).Seconds(), t.name+"-ratio")
	}
}

// acknowledge answers a portion with a byte.
func acknowledge(c net.Conn) {
	defer c.Close()
	if _, err := io.CopyN(io.Discard, c, portion); err == nil {
		_, _ = c.Write([]byte{1}) // who has gone does not see it
	}
}

func (t *throughput) move(b *testing.B, data []byte) {
	b.Helper()
	c, err := t.phone.dial("tcp", internet4+":8080", "")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	if _, err := c.Write(data); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	t.times = append(t.times, time.Since(begin))
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// BenchmarkConnect opens connections: only their first packets are classified.
func BenchmarkConnect(b *testing.B) {
	for _, devices := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			n := newNetwork(b)
			n.apply(compile(b, withDevices(devices)))
			var l net.Listener
			n.internet.do(func() {
				var err error
				if l, err = net.Listen("tcp", ":8080"); err != nil {
					b.Error(err)
				}
			})
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
			n.phone.do(func() {
				for b.Loop() {
					c, err := net.Dial("tcp", internet4+":8080")
					if err != nil {
						b.Fatal(err)
					}
					io.Copy(io.Discard, c)
					c.Close()
				}
			})
		})
	}
}
