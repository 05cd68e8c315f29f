//go:build lab

package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/internal/bench"
)

// strangerSocks is the SOCKS port of a tor on the internet that belongs to nobody.
const strangerSocks = "127.0.0.1:9350"

const strangerTorrc = "DataDirectory DIR\nSocksPort " + strangerSocks + " IsolateSOCKSAuth\nLog notice stdout\n"

// BenchmarkFront measures what a stranger gets of an onion whose streams go through the
// front, and of one of a bare tor whose HiddenServicePort is the server itself, in turns; and how
// long it takes from `tunic publish` to the first page that a stranger gets.
func BenchmarkFront(b *testing.B) {
	const rounds, size = 11, 8 << 20
	ctx, l := measured(b, 6*time.Minute, Options{ID: "front"}, buildTunic)
	w := both{B: b, ctx: ctx, lab: l}
	if _, err := l.Start("friend-laptop", "friend-nas", l.Tool("tunic-lab"), "nas"); err != nil {
		b.Fatal(err)
	}
	path := onionPath(b, l)
	target := net.JoinHostPort("192.168.78.10", strconv.Itoa(int(NASPort)))
	ours := w.tunic(path)
	straight := w.bare(path + "HiddenServiceDir DIR/onion\nHiddenServicePort 80 " + target + "\n")
	startBare(b, ctx, l, InternetNode, "stranger", strangerTorrc)
	name, err := os.ReadFile(filepath.Join(l.Dir(), "bare/onion/hostname"))
	if err != nil {
		b.Fatal(err)
	}
	address := map[string]string{
		ours.name:     strings.TrimSpace(mustExec(b, ctx, l, "gateway", "tunic", "publish", "bench", "80="+NASOnionTarget)),
		straight.name: strings.TrimSpace(string(name)),
	}
	circuit, cost := 0, make(map[string][]float64)
	rate := bench.Turns(rounds, w.ways([]side{ours, straight}, func(s side) float64 {
		circuit++
		before := w.processor(s)
		first, last := w.stranger(circuit, address[s.name], size)
		cost[s.name] = append(cost[s.name], (w.processor(s)-before)/(size/1e6))
		return size / 1e6 / (last - first)
	}))
	for name := range cost {
		cost[name] = cost[name][1:] // the first round does not count
	}
	bench.Report(b, bench.Compare("tor: an onion's download", "MB/s", bench.More, 0.98, rate, "bare tor"), rate)
	bench.Report(b, bench.Compare("tor: an onion's download, processor", "ms/MB", bench.Less, 0.9, cost, "bare tor"), cost)
	w.published(7)
	b.ReportMetric(0, "ns/op")
}

// onionPath has a tor take the same few relays next to it for all circuits of its onions;
// with a single one it refuses to have any.
func onionPath(t testing.TB, l *Lab) string {
	t.Helper()
	var names []string
	for _, r := range TorRelays()[3:9] {
		fingerprint, err := l.fingerprint(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, "$"+fingerprint)
	}
	pair := func(i int) string { return names[i] + "," + names[i+1] }
	return "EntryNodes " + pair(0) + "\nHSLayer2Nodes " + pair(2) + "\nHSLayer3Nodes " + pair(4) + "\n"
}

// stranger fetches a page of an onion by a circuit of its own, and then some bytes by the
// same. It returns when the first and the last of them were there, in seconds.
func (w both) stranger(circuit int, address string, size int) (first, last float64) {
	w.Helper()
	proxy := fmt.Sprintf("socks5h://circuit:%d@%s", circuit, strangerSocks)
	get := func(page string) string {
		args := []string{"curl", "-sS", "-o", "/dev/null", "--max-time", "60", "-x", proxy,
			"-w", "%{time_starttransfer} %{time_total}", "http://" + address + page}
		for try := 0; ; try++ {
			r, err := w.lab.Exec(w.ctx, InternetNode, args...)
			if err != nil {
				w.Fatal(err)
			}
			if r.Code == 0 {
				return r.Stdout
			}
			if try == 5 {
				w.Fatalf("%v: status %d: %s", args, r.Code, r.Stderr)
			}
			time.Sleep(time.Second)
		}
	}
	get("/")
	if _, err := fmt.Sscan(get("/blob?bytes="+strconv.Itoa(size)), &first, &last); err != nil {
		w.Fatal(err)
	}
	return first, last
}

// published measures from `tunic publish` to a stranger's page, some times.
func (w both) published(times int) {
	w.Helper()
	var all, command []float64
	for i := range times {
		begin := time.Now()
		words := []string{"tunic", "publish", fmt.Sprintf("new%d", i), "80=" + NASOnionTarget}
		address := strings.TrimSpace(mustExec(w, w.ctx, w.lab, "gateway", words...))
		command = append(command, time.Since(begin).Seconds()*1000)
		mustExec(w, w.ctx, w.lab, InternetNode, "curl", "-sS", "-o", "/dev/null", "--max-time", "60",
			"-x", fmt.Sprintf("socks5h://new:%d@%s", i, strangerSocks), "http://"+address+"/")
		all = append(all, time.Since(begin).Seconds()*1000)
	}
	seen := map[string][]float64{"tunic": all, "the command alone": command}
	bench.Report(w, bench.Against("tor: from publish to a stranger's page", "ms", bench.Less, 3000, all), seen)
}
