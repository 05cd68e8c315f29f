//go:build lab

package netfilter

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/internal/bench"
	"tunic/rules"
)

// costRounds is how often each way has its turn.
const costRounds = 20

// BenchmarkPacket says how many nanoseconds of the processor a packet takes that an onion
// device sends over an open connection, above what it takes through a box without any rule:
// with the rules that a person would write, with ours, with ours but for one part, and with ten
// rules of a kind, of which none matches. All are
// loaded in turn into one box, so they differ in nothing else. The packets are small, and
// follow each other at once: what they need of the rules stays in the cache.
func BenchmarkPacket(b *testing.B) {
	n := newUnwatched(b, "p")
	in := withDevices(1)
	in.Group = Group
	n.group("lan1", "lan2")
	n.apply(compile(b, in))
	ours := n.gateway.run("iptables-save")
	n.answerFirst()
	const nat = "*nat\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"
	const hand = "*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" +
		"-A FORWARD -i lan1 -o wan0 -j ACCEPT\nCOMMIT\n" + nat
	open := fmt.Sprintf("*mangle\n-A PREROUTING -j MARK --set-xmark %#x/%#x\nCOMMIT\n", rules.WallMark, rules.WallMark)
	tens := func(match string) string {
		return "*mangle\n" + strings.Repeat("-A PREROUTING "+match+" -j DROP\n", 10) + "COMMIT\n"
	}
	ways := []bench.Way{
		n.costs("nothing", "", false), n.costs("nothing again", "", false),
		n.costs("three empty chains", "*mangle\n:PREROUTING ACCEPT\n:FORWARD ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n", false),
		n.costs("ten marks", tens("-m mark --mark 0x1"), false),
		n.costs("ten groups of interfaces", tens("-m devgroup --src-group 0x7"), false),
		n.costs("the wall", open, true), n.costs("its mark alone", open, false),
		n.costs("conntrack and NAT", nat, false), n.costs("by hand", hand, false),
		n.costs("NAT and ten connmarks", nat+tens("-m connmark --mark 0x1"), false),
		n.costs("NAT and ten states", nat+tens("-m conntrack --ctstate INVALID"), false),
		n.costs("ours", ours, true), n.costs("ours but the wall", ours, false),
		n.costs("ours but TUNIC-FORWARD", lacking(ours, "-A FORWARD -j TUNIC-FORWARD"), true),
		n.costs("ours but TUNIC-POST", lacking(ours, "-A POSTROUTING -j TUNIC-POST"), true),
		n.costs("ours but these three", lacking(lacking(ours, "-A FORWARD -j TUNIC-FORWARD"), "-A POSTROUTING -j TUNIC-POST"), false),
	}
	seen := bench.Turns(costRounds, ways)
	for _, w := range ways {
		b.Logf("%-24s %5.0f ns a packet", w.Name, low(seen[w.Name])-low(seen["nothing"]))
	}
	b.ReportMetric(0, "ns/op")
}

// lacking takes one line out of what iptables-save has printed.
func lacking(saved, line string) string { return strings.Replace(saved, line+"\n", "", 1) }

// costs is a box with those rules for IPv4 and no others, with the second wall or without.
func (n *network) costs(name, saved string, walled bool) bench.Way {
	return bench.Way{Name: name, Once: func() float64 {
		n.gateway.run("nft flush ruleset")
		n.raze()
		if walled {
			n.gateway.do(func() {
				if _, err := n.kernel.keepWall(); err != nil {
					n.t.Error(err)
				}
			})
		}
		restore := exec.Command("ip", "netns", "exec", n.gateway.name, "iptables-restore")
		restore.Stdin = strings.NewReader(saved)
		if out, err := restore.CombinedOutput(); err != nil {
			n.t.Fatalf("loading the rules of %s: %v: %s", name, err, out)
		}
		time.Sleep(settle) // the kernel removes the rules before
		return n.perPacket()
	}}
}

// answerFirst answers the first datagram of a connection, and lets the others be lost.
func (n *network) answerFirst() {
	var far net.PacketConn
	var err error
	n.internet.do(func() { far, err = net.ListenPacket("udp4", ":9") })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { far.Close() })
	if err := far.(*net.UDPConn).SetReadBuffer(1); err != nil { // the least that the kernel allows
		n.t.Fatal(err)
	}
	go func() {
		b := make([]byte, 8)
		for {
			size, from, err := far.ReadFrom(b)
			switch {
			case err != nil:
				return // closed at the end
			case size == 1:
				_, _ = far.WriteTo(b[:1], from) // who has gone does not hear it
			default:
				time.Sleep(time.Millisecond) // what arrives meanwhile finds no place, and wakes nobody
			}
		}
	}()
}

// perPacket returns how many nanoseconds of the processor the phone takes to send one
// datagram, its way to the internet included, which it goes before the call returns.
func (n *network) perPacket() float64 {
	n.t.Helper()
	const shots, each = 16, 250
	c, err := n.phone.dial("udp", internet4+":9", "")
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{1}); err != nil {
		n.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		n.t.Fatalf("no answer: %v", err)
	}
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		n.t.Fatal(err)
	}
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	var took []float64
	failed := raw.Control(func(fd uintptr) {
		for range shots {
			begin := ownTime()
			for range each {
				if _, err = unix.Write(int(fd), []byte{1, 2}); err != nil {
					return
				}
			}
			took = append(took, float64(ownTime()-begin)/each)
		}
	})
	if failed != nil || err != nil {
		n.t.Fatal(failed, err)
	}
	return low(took)
}

// low is the value below which an eighth of the others is: what else the machine does only
// makes them higher.
func low(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/8] }

// ownTime is the processor's time that this thread has taken.
func ownTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
