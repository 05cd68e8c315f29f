//go:build lab

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/internal/bench"
)

// bareRules are what a careful person writes by hand for transparent TCP.
const bareRules = `iptables -t nat -A PREROUTING -i br-lan -p tcp --dport 9050 -j ACCEPT
iptables -t nat -A PREROUTING -i br-lan -p tcp --syn -j REDIRECT --to-ports 9040
iptables -A FORWARD -i br-lan -j REJECT
ip6tables -t nat -A PREROUTING -i br-lan -p tcp --syn -j REDIRECT --to-ports 9040
ip6tables -A FORWARD -i br-lan -j REJECT`

const bareTorrc = `DataDirectory DIR
SocksPort 0.0.0.0:9050 IsolateSOCKSAuth
TransPort 0.0.0.0:9040
TransPort [::]:9040
Log notice stdout
`

// onePath has a tor take the same relays for all circuits: by which ones a
// circuit goes makes more of a difference than anything that is measured. Two legs
// of one stream (Conflux) would need others. The guard is an authority: those that start
// later are not Stable in some first consensuses, and such a relay can be no guard
// (dir-spec, "Guard").
func onePath(t testing.TB, l *Lab) string {
	t.Helper()
	relays := TorRelays()
	at := func(i int) string {
		fingerprint, err := l.fingerprint(relays[i])
		if err != nil {
			t.Fatal(err)
		}
		return "$" + fingerprint
	}
	const authority, firstExit = 0, 3
	return fmt.Sprintf("EntryNodes %s\nMiddleNodes %s\nExitNodes %s\nConfluxEnabled 0\n", at(authority), at(firstExit), at(firstExit+1))
}

// both are a gateway with tunic and one with a bare tor, each with a device.
type both struct {
	*testing.B
	ctx context.Context
	lab *Lab
}

// side is one of them.
type side struct {
	name   string
	device string
	socks  string // where its SOCKS is
	pids   []int  // of what answers for the device's traffic
}

// BenchmarkTransparent measures what a device gets through tunic on one gateway and through
// a bare tor with hand-written rules on another, in turns and by the same relays: one download,
// 64 at once, by both families and by SOCKS, and how soon a first byte comes.
func BenchmarkTransparent(b *testing.B) {
	const rounds, size = 11, 4 << 20
	ctx, l := measured(b, 7*time.Minute, Options{ID: "bench"}, buildTunic)
	w := both{B: b, ctx: ctx, lab: l}
	onion := filepath.Join(l.Root("gateway"), "etc/tunic/onions/home.toml")
	if err := os.Remove(onion); err != nil { // which needs more relays than one path has
		b.Fatal(err)
	}
	sides := []side{w.tunic(onePath(b, l)), w.bare(onePath(b, l))}

	const v4, v6 = "http://203.0.113.80/", "http://[2001:db8::80]/"
	for _, m := range []struct {
		name, url string
		socks     bool
	}{{"a download", v4, false}, {"a download, IPv6", v6, false}, {"a download by SOCKS", v4, true}} {
		rate, cost := w.downloads(rounds, sides, m.url+"blob?bytes="+strconv.Itoa(size), m.socks, size)
		bench.Report(b, bench.Compare("tor: "+m.name, "MB/s", bench.More, 0.99, rate, "bare tor"), rate)
		bench.Report(b, bench.Compare("tor: "+m.name+", processor", "ms/MB", bench.Less, 0.95, cost, "bare tor"), cost)
	}
	for _, m := range []struct{ name, url string }{{"64 downloads at once", v4}, {"64 downloads at once, IPv6", v6}} {
		seen := bench.Turns(8, w.ways(sides, func(s side) float64 { return w.crowd(s, m.url+"blob?bytes=65536", 64) }))
		bench.Report(b, bench.Compare("tor: "+m.name, "ms", bench.Less, 0.99, seen, "bare tor"), seen)
	}
	seen := bench.Turns(7, w.ways(sides, func(s side) float64 { return w.firstByte(s, v4) }))
	bench.Report(b, bench.Compare("tor: first byte of a download", "ms", bench.Less, 0.9, seen, "bare tor"), seen)
	b.ReportMetric(0, "ns/op")
}

// tunic starts the daemon on the gateway, whose tor gets some more lines.
func (w both) tunic(lines string) side {
	w.Helper()
	snippet := filepath.Join(w.lab.Root("gateway"), "etc/tunic/torrc.d/bench.conf")
	if err := os.WriteFile(snippet, []byte(lines), 0o644); err != nil {
		w.Fatal(err)
	}
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	if err := w.lab.WaitReady(w.ctx, "gateway", nil); err != nil {
		w.Fatal(err)
	}
	pids := restful{B: w.B, ctx: w.ctx, lab: w.lab}.pids()
	return side{"tunic", "phone", "192.168.77.1:9050", []int{pids["run"], pids["serve"], pids["tor"]}}
}

// bare starts a tor without tunic on the friend's gateway, with hand-written rules.
func (w both) bare(lines string) side {
	w.Helper()
	for line := range strings.Lines(bareRules) {
		mustExec(w, w.ctx, w.lab, "friend", strings.Fields(line)...)
	}
	return side{"bare tor", "friend-laptop", "192.168.78.1:9050", []int{startBare(w, w.ctx, w.lab, "friend", "bare", bareTorrc+lines)}}
}

// startBare starts a tor on a node, of the lab's network, waits until it has
// connected, and returns its process. DIR in the torrc is its own directory.
func startBare(t testing.TB, ctx context.Context, l *Lab, node, name, torrc string) int {
	t.Helper()
	shared, err := os.ReadFile(filepath.Join(l.Root("gateway"), "etc/tunic/torrc.d/lab.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(l.Dir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := string(shared) + strings.ReplaceAll(torrc, "DIR", dir)
	if err := os.WriteFile(dir+".torrc", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := l.Start(node, name, "tor", "-f", dir+".torrc")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(pollInterval) {
		if strings.Contains(l.logTail(name, 20), "Bootstrapped 100%") {
			return p.PID
		}
		if time.Now().After(end) {
			t.Fatalf("the tor %s did not connect:\n%s", name, l.logTail(name, 5))
		}
	}
}

// ways has both sides do a thing.
func (w both) ways(sides []side, do func(side) float64) []bench.Way {
	var ways []bench.Way
	for _, s := range sides {
		ways = append(ways, bench.Way{Name: s.name, Once: func() float64 { return do(s) }})
	}
	return ways
}

// downloads fetches in turns, and returns MB/s from the first byte to the last and the
// processor's time of the gateway's programs in ms for a MB.
func (w both) downloads(rounds int, sides []side, url string, socks bool, size float64) (rate, cost map[string][]float64) {
	w.Helper()
	defer w.eachProcess(sides)()
	cost = make(map[string][]float64)
	rate = bench.Turns(rounds, w.ways(sides, func(s side) float64 {
		before := w.processor(s)
		args := []string{"curl", "-sS", "-g", "-o", "/dev/null", "--max-time", "60", "-w", "%{time_starttransfer} %{time_total}"}
		if socks {
			args = append(args, "--socks5-hostname", s.socks)
		}
		var first, last float64
		if _, err := fmt.Sscan(mustExec(w, w.ctx, w.lab, s.device, append(args, url)...), &first, &last); err != nil {
			w.Fatal(err)
		}
		cost[s.name] = append(cost[s.name], (w.processor(s)-before)/(size/1e6))
		return size / 1e6 / (last - first)
	}))
	for name := range cost {
		cost[name] = cost[name][1:] // the first round does not count
	}
	return rate, cost
}

// eachProcess logs, when what it returns is called, which process has taken how much of the
// processor meanwhile.
func (w both) eachProcess(sides []side) func() {
	w.Helper()
	before := make(map[int]float64)
	for _, s := range sides {
		for _, pid := range s.pids {
			before[pid] = w.processor(side{pids: []int{pid}})
		}
	}
	return func() {
		for _, s := range sides {
			for _, pid := range s.pids {
				name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				if err != nil {
					w.Fatal(err)
				}
				ms := w.processor(side{pids: []int{pid}}) - before[pid]
				w.Logf("%s: %s: %.0f ms", s.name, strings.Join(strings.SplitN(string(name), "\x00", 3)[:2], " "), ms)
			}
		}
	}
}

// processor is what the side's programs have taken of it, in ms (Documentation/scheduler/sched-stats,
// of each thread). bench.CPU counts in steps of 10 ms, a tenth of what is measured.
func (w both) processor(s side) (ms float64) {
	w.Helper()
	for _, pid := range s.pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(threads) == 0 {
			w.Fatalf("process %d: %v, %v", pid, threads, err)
		}
		for _, path := range threads {
			var ns float64
			text, err := os.ReadFile(path)
			if err == nil {
				_, err = fmt.Sscan(string(text), &ns)
			}
			if err != nil {
				w.Fatal(err)
			}
			ms += ns / 1e6
		}
	}
	return ms
}

// crowd fetches many at once, and returns how long all of them took, in ms.
func (w both) crowd(s side, url string, n int) float64 {
	w.Helper()
	args := []string{"curl", "-sS", "-g", "--fail", "--max-time", "60", "-Z", "--parallel-immediate", "--parallel-max", strconv.Itoa(n)}
	for i := range n {
		args = append(args, "-o", "/dev/null", fmt.Sprintf("%s&n=%d", url, i))
	}
	begin := time.Now()
	mustExec(w, w.ctx, w.lab, s.device, args...)
	return time.Since(begin).Seconds() * 1000
}

// firstByte asks twenty times for something small, each by a connection of its own, and
// returns how long the first byte took, the median in ms.
func (w both) firstByte(s side, url string) float64 {
	w.Helper()
	args := []string{"curl", "-sS", "-g", "--max-time", "60", "-H", "Connection: close", "-w", "%{time_starttransfer} "}
	for range 20 {
		args = append(args, "-o", "/dev/null", url)
	}
	var ms []float64
	for field := range strings.FieldsSeq(mustExec(w, w.ctx, w.lab, s.device, args...)) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			w.Fatal(err)
		}
		ms = append(ms, v*1000)
	}
	return bench.Median(ms)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
