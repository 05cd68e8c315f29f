//go:build lab

package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/internal/bench"
	"tunic/internal/proc"
)

// BenchmarkTors measures what 1, 2 and 4 bare tors beside each other give 16 devices that
// download at once, each device by one of them: MB/s of all, the processor's time of the tors for a
// MB, what a tor takes of a processor, and the memory of all.
func BenchmarkTors(b *testing.B) {
	const rounds, devices, size = 5, 16, 4 << 20
	ctx, l := measured(b, 8*time.Minute, Options{ID: "tors"})
	w := both{B: b, ctx: ctx, lab: l}
	for i := range devices {
		mustExec(b, ctx, l, "friend-laptop", "ip", "address", "add", rebootDevice(i)+"/24", "dev", "eth0")
	}
	var pids []int
	for i := range 4 {
		torrc := fmt.Sprintf("DataDirectory DIR\nSocksPort 0\nTransPort 0.0.0.0:%d\nLog notice stdout\n", 9040+i)
		pids = append(pids, startBare(b, ctx, l, "friend", "tor"+strconv.Itoa(i), torrc))
	}
	busy, memory := make(map[string][]float64), make(map[string]float64)
	cost := make(map[string][]float64)
	var ways []bench.Way
	for _, n := range []int{1, 2, 4} {
		name := strconv.Itoa(n) + " tors"
		ways = append(ways, bench.Way{Name: name, Once: func() float64 {
			w.spread(n)
			s := side{pids: pids[:n]}
			before, begin := w.processor(s), time.Now()
			w.house(devices, size)
			took, ms := time.Since(begin), w.processor(s)-before
			mb := devices * size / 1e6
			busy[name], cost[name] = append(busy[name], ms/float64(took.Milliseconds())), append(cost[name], ms/mb)
			memory[name] = 0
			for _, pid := range s.pids {
				memory[name] += float64(proc.PSS(pid)) / (1 << 20)
			}
			return mb / took.Seconds()
		}})
	}
	rate := bench.Turns(rounds, ways)
	for _, way := range ways {
		b.Logf("%s: MB/s %s, ms/MB %s, of one processor %s, PSS %.0f MB", way.Name, spread(rate[way.Name]), spread(cost[way.Name]),
			spread(busy[way.Name]), memory[way.Name])
	}
	b.ReportMetric(0, "ns/op")
}

// spread has n tors share the devices, by the last bits of their addresses.
func (w both) spread(n int) {
	w.Helper()
	mustExec(w, w.ctx, w.lab, "friend", "iptables", "-t", "nat", "-F", "PREROUTING")
	for i := range n {
		mustExec(w, w.ctx, w.lab, "friend", "iptables", "-t", "nat", "-A", "PREROUTING", "-i", "br-lan", "-p", "tcp", "--syn",
			"-m", "u32", "--u32", fmt.Sprintf("0xc&%#x=%#x", n-1, i), "-j", "REDIRECT", "--to-ports", strconv.Itoa(9040+i))
	}
}

// house has all devices download at once.
func (w both) house(devices, size int) {
	w.Helper()
	args := []string{"curl", "-sS", "-Z", "--parallel-immediate", "--parallel-max", "300"}
	for i := range devices {
		if i > 0 {
			args = append(args, "--next", "-sS")
		}
		args = append(args, "--interface", rebootDevice(i), "--fail", "--max-time", "60", "-o", "/dev/null",
			"http://203.0.113.80/blob?bytes="+strconv.Itoa(size)+"&n="+strconv.Itoa(i))
	}
	if out := mustExec(w, w.ctx, w.lab, "friend-laptop", args...); strings.TrimSpace(out) != "" {
		w.Fatal(out)
	}
}
