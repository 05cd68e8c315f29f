//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/internal/bench"
)

// BenchmarkReboot measures what a house of 50 devices waits for when its box has come up
// again: all open a page of four files at once, in the moment in which tor has connected, each
// device on circuits of its own. Settings of tor take turns. TUNIC_REBOOT are those, one tor for
// each: lines of a torrc with commas between them, words with "="; "-" are tor's own. Packets to
// relays are on their way for 25 ms, so a circuit has a turn of some 150 ms.
func BenchmarkReboot(b *testing.B) {
	const rounds = 5
	ctx, l := measured(b, 12*time.Minute, Options{ID: "reboot"})
	w := both{B: b, ctx: ctx, lab: l}
	delayRelays(b, ctx, l, 25*time.Millisecond)
	for line := range strings.Lines(bareRules) {
		mustExec(b, ctx, l, "friend", strings.Fields(line)...)
	}
	for i := range rebootDevices {
		mustExec(b, ctx, l, "friend-laptop", "ip", "address", "add", rebootDevice(i)+"/24", "dev", "eth0")
	}
	settings := strings.Fields(os.Getenv("TUNIC_REBOOT"))
	if len(settings) == 0 {
		settings = []string{"-", "ConfluxEnabled=0"}
	}
	half, all := make(map[string][]float64), make(map[string][]float64)
	for round := range rounds + 1 {
		for _, setting := range settings {
			took := w.reboot(setting)
			if round > 0 { // the first one learns the network
				half[setting] = append(half[setting], bench.Median(took))
				all[setting] = append(all[setting], slices.Max(took))
			}
		}
	}
	for _, s := range settings {
		b.Logf("%s: half of the files after %s s, all after %s s", s, spread(half[s]), spread(all[s]))
	}
	b.ReportMetric(0, "ns/op")
}

// rebootDevices is how many devices the house has.
const rebootDevices = 50

func rebootDevice(i int) string { return fmt.Sprintf("192.168.78.%d", 100+i) }

// spread are the least, the median and the most.
func spread(v []float64) string {
	return fmt.Sprintf("%.1f / %.1f / %.1f", slices.Min(v), bench.Median(v), slices.Max(v))
}

// reboot starts a tor with a setting, and has all devices ask as soon as it has connected. It
// returns how long each file took, in seconds, and ends the tor.
func (w both) reboot(setting string) []float64 {
	w.Helper()
	lines := ""
	if setting != "-" {
		lines = strings.NewReplacer("=", " ", ",", "\n").Replace(setting) + "\n"
	}
	startBare(w, w.ctx, w.lab, "friend", "bare", bareTorrc+lines)
	args := []string{"curl", "-sS", "-Z", "--parallel-immediate", "--parallel-max", "300", "--max-time", "110"}
	for i := range rebootDevices {
		if i > 0 {
			args = append(args, "--next", "-sS", "--max-time", "110")
		}
		args = append(args, "--interface", rebootDevice(i), "-w", "%{http_code} %{size_download} %{time_total}\n")
		for file := range 4 {
			args = append(args, "-o", "/dev/null", fmt.Sprintf("http://203.0.113.80/blob?bytes=65536&n=%d", file))
		}
	}
	r, err := w.lab.Exec(w.ctx, "friend-laptop", args...)
	if err != nil {
		w.Fatal(err)
	}
	var took []float64
	for line := range bytes.Lines([]byte(r.Stdout)) {
		f := strings.Fields(string(line))
		s, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			w.Fatal(err)
		}
		if f[0] != "200" || f[1] != "65536" {
			s = 110 // as long as anybody waits
		}
		took = append(took, s)
	}
	if len(took) != 4*rebootDevices {
		w.Fatalf("%d files instead of %d: %s", len(took), 4*rebootDevices, r.Stderr)
	}
	p, ok := w.lab.process("bare")
	if !ok {
		w.Fatal("there is no tor")
	}
	if err := end(w.ctx, []Process{p}, 10*time.Second); err != nil {
		w.Fatal(err)
	}
	if err := os.Remove(w.lab.LogFile("bare")); err != nil { // the next one says itself when it has connected
		w.Fatal(err)
	}
	return took
}
