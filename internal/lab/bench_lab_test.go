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
const bareRules = `iptables -t nat -A PREROUTING -i br-lan -p tcp --syn -j REDIRECT --to-ports 9040
iptables -A FORWARD -i br-lan -j REJECT`

const bareTorrc = `DataDirectory DIR
SocksPort 0
TransPort 0.0.0.0:9040
Log notice stdout
` + freshCircuits

// freshCircuits has tor take another circuit after some seconds: which relays a
// circuit goes by makes more of a difference than anything that is measured.
const (
	freshCircuits = "MaxCircuitDirtiness 10\n"
	freshAfter    = 11 * time.Second
)

// BenchmarkTransparent downloads through tunic on one gateway and through a
// bare tor with hand-written rules on another, in turns and on many circuits, and puts MB/s
// from the first byte to the last, and the time to the first byte, into the file of results.
func BenchmarkTransparent(b *testing.B) {
	const size, circuits, each = 8 << 20, 8, 3
	ctx, cancel := context.WithTimeout(b.Context(), 12*time.Minute)
	defer cancel()
	bin := tools(b)
	buildTunic(b, bin)
	l := up(b, ctx, Options{ID: "bench", BinDir: bin, Daemons: []string{"gateway"}})
	startBare(b, ctx, l)
	snippet := filepath.Join(l.Root("gateway"), "etc/tunic/torrc.d/fresh.conf")
	if err := os.WriteFile(snippet, []byte(freshCircuits), 0o644); err != nil {
		b.Fatal(err)
	}
	mustExec(b, ctx, l, "gateway", "tunic", "reload")
	url := "http://203.0.113.80/blob?bytes=" + strconv.Itoa(size)
	seen := map[string]map[string][]float64{"rate": {}, "first": {}}
	fetch := func(node, name string) {
		out := mustExec(b, ctx, l, node, "curl", "-sS", "-o", "/dev/null", "--max-time", "60", "-w",
			"%{time_starttransfer} %{time_total}", url)
		var first, last float64
		if _, err := fmt.Sscan(out, &first, &last); err != nil {
			b.Fatal(err)
		}
		seen["rate"][name] = append(seen["rate"][name], size/1e6/(last-first))
		seen["first"][name] = append(seen["first"][name], first*1000)
	}
	fetch("phone", "warm-up")
	fetch("friend-laptop", "warm-up")
	for range circuits {
		time.Sleep(freshAfter)
		for range each {
			fetch("phone", "tunic")
			fetch("friend-laptop", "bare tor")
		}
	}
	for _, s := range seen {
		delete(s, "warm-up")
	}
	b.ReportMetric(0, "ns/op")
	// What a circuit gives differs by a factor of five, so these are ratios of medians.
	bench.Report(b, ofMedians(bench.Compare("tor: a download", "MB/s", bench.More, 0.99, seen["rate"], "bare tor")), seen["rate"])
	first := bench.Compare("tor: first byte of a download", "ms", bench.Less, 0.9, seen["first"], "bare tor")
	bench.Report(b, ofMedians(first), seen["first"])
}

// ofMedians compares medians instead of rounds: those of one round have nothing in common
// that others have not.
func ofMedians(r bench.Row) bench.Row {
	if r.Ratio = r.Tunic / r.Peer; r.Unit == "ms" {
		r.Ratio = r.Peer / r.Tunic
	}
	r.Holds = r.Ratio >= r.Goal
	return r
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// startBare runs a tor without tunic on the friend's gateway.
func startBare(b *testing.B, ctx context.Context, l *Lab) {
	b.Helper()
	shared := mustExec(b, ctx, l, "friend", "cat", filepath.Join(l.Root("friend"), "etc/tunic/torrc.d/lab.conf"))
	dir := filepath.Join(l.Root("friend"), "bare")
	torrc := shared + strings.ReplaceAll(bareTorrc, "DIR", dir)
	mustExec(b, ctx, l, "friend", "sh", "-c", "mkdir -p "+dir+" && cat > "+dir+".torrc <<'EOF'\n"+torrc+"EOF")
	for line := range strings.Lines(bareRules) {
		mustExec(b, ctx, l, "friend", strings.Fields(line)...)
	}
	if _, err := l.Start("friend", "bare", "tor", "-f", dir+".torrc"); err != nil {
		b.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if strings.Contains(l.logTail("bare", 20), "Bootstrapped 100%") {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("the bare tor did not connect:\n%s", l.logTail("bare", 5))
		}
	}
}
