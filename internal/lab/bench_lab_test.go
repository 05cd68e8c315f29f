//go:build lab

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
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
// bare tor with hand-written rules on another, in turns and on many circuits.
// Its metrics are the medians in seconds, from the first byte to the last, and
// their ratio (above 1: tunic is faster).
func BenchmarkTransparent(b *testing.B) {
	const size, circuits, each = 8 << 20, 24, 3
	ctx, cancel := context.WithTimeout(b.Context(), 12*time.Minute)
	defer cancel()
	bin := tools(b)
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "tunic"), "tunic/cmd/tunic").CombinedOutput(); err != nil {
		b.Fatalf("building tunic: %v\n%s", err, out)
	}
	l := up(b, ctx, Options{ID: "bench", BinDir: bin, Daemons: []string{"gateway"}})
	startBare(b, ctx, l)
	snippet := filepath.Join(l.Root("gateway"), "etc/tunic/torrc.d/fresh.conf")
	if err := os.WriteFile(snippet, []byte(freshCircuits), 0o644); err != nil {
		b.Fatal(err)
	}
	mustExec(b, ctx, l, "gateway", "tunic", "reload")
	url := "http://203.0.113.80/blob?bytes=" + strconv.Itoa(size)
	fetch := func(node string) float64 {
		out := mustExec(b, ctx, l, node, "curl", "-sS", "-o", "/dev/null", "--max-time", "60", "-w",
			"%{time_starttransfer} %{time_total}", url)
		var first, last float64
		if _, err := fmt.Sscan(out, &first, &last); err != nil {
			b.Fatal(err)
		}
		return last - first
	}
	fetch("phone")
	fetch("friend-laptop")
	var tunic, bare []float64
	for range circuits {
		time.Sleep(freshAfter)
		for range each {
			tunic, bare = append(tunic, fetch("phone")), append(bare, fetch("friend-laptop"))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(tunic), "tunic-s")
	b.ReportMetric(median(bare), "bare-s")
	b.ReportMetric(median(bare)/median(tunic), "ratio")
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
