package lull

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkTimer counts how often threads of a process that has nothing else to do are woken for
// one wait of 21 ms.
func BenchmarkTimer(b *testing.B) {
	const span = 20*time.Millisecond + 700*time.Microsecond
	b.Run("lull", func(b *testing.B) {
		timer, err := NewTimer()
		if err != nil {
			b.Fatal(err)
		}
		defer timer.Close()
		counted(b, func() {
			if err := timer.Wait(span); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("time", func(b *testing.B) { counted(b, func() { <-time.NewTimer(span).C }) })
}

func counted(b *testing.B, wait func()) {
	b.Helper()
	before := woken(b)
	for range b.N {
		wait()
	}
	b.ReportMetric((woken(b)-before)/float64(b.N), "wakes/op")
}

// woken is how often threads of this process have given up the processor by themselves
// (proc(5), voluntary_ctxt_switches).
func woken(b *testing.B) (n float64) {
	b.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) == 0 {
		b.Fatal(tasks, err)
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				one, _ := strconv.ParseFloat(strings.TrimSpace(count), 64)
				n += one
			}
		}
	}
	return n
}
