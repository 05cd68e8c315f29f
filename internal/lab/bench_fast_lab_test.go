//go:build lab

package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkFast compares an onion that is not anonymous with one that is, for
// the same server on the same box, in turns. connect is the time to the first
// byte on a circuit that did not exist before, download that of 8 MiB on one
// that does. Its metrics are medians in seconds and their ratios (above 1: the
// one that is not anonymous is faster).
func BenchmarkFast(b *testing.B) {
	const rounds = 15
	ctx, l := measured(b, 9*time.Minute, Options{ID: "fast", Daemons: []string{"gateway", "friend"}}, buildTunic)
	modes := []*mode{{name: "anonymous"}, {name: "fast", flags: []string{"--fast", "--yes"}}}
	for _, m := range modes {
		m.address = strings.TrimSpace(mustExec(b, ctx, l, "gateway",
			append([]string{"tunic", "publish", m.name, "80=" + NASOnionTarget}, m.flags...)...))
		m.await(b, ctx, l)
	}
	for round := range rounds {
		for _, m := range modes {
			m.connect = append(m.connect, m.fetch(b, ctx, l, round, "/", "%{time_starttransfer}"))
			m.download = append(m.download, m.fetch(b, ctx, l, round, "/blob?bytes="+strconv.Itoa(8<<20), "%{time_total}"))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, m := range modes {
		b.ReportMetric(median(m.connect), m.name+"-connect-s")
		b.ReportMetric(median(m.download), m.name+"-download-s")
	}
	b.ReportMetric(median(modes[0].connect)/median(modes[1].connect), "connect-ratio")
	b.ReportMetric(median(modes[0].download)/median(modes[1].download), "download-ratio")
}

// mode is one onion that is measured.
type mode struct {
	name              string
	flags             []string
	address           string
	connect, download []float64
}

// fetch asks the friend's tor, which makes another circuit for each pair of
// credentials.
func (m *mode) fetch(b *testing.B, ctx context.Context, l *Lab, round int, path, measure string) float64 {
	b.Helper()
	proxy := fmt.Sprintf("socks5h://%s:%d@127.0.0.1:9250", m.name, round)
	out := mustExec(b, ctx, l, "friend", "curl", "-sS", "-x", proxy, "-o", "/dev/null", "--max-time", "60", "-w", measure,
		"http://"+m.address+path)
	s, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// await waits until the friend finds the onion.
func (m *mode) await(b *testing.B, ctx context.Context, l *Lab) {
	b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		r, err := l.Exec(ctx, "friend", "curl", "-sS", "-x", "socks5h://first:x@127.0.0.1:9250", "--max-time", "30",
			"http://"+m.address+"/")
		if err == nil && r.Code == 0 {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("the onion %s is not found: %v, %s", m.name, err, r.Stderr)
		}
	}
}
