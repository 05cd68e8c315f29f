//go:build lab

package netfilter

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"tunic/internal/bench"
	"tunic/rules"
)

const benchRounds = 7

// BenchmarkPeers puts into the file of results what the rules cost: loading them for a
// thousand devices, against the goal; moving data and opening connections through them, against a
// gateway without any. All take turns.
func BenchmarkPeers(b *testing.B) {
	b.Run("load", benchLoad)
	b.Run("forward", benchForward)
	b.Run("connect", benchConnections)
}

// benchLoad loads rules for one device and for many: such as the daemon has had before, but for
// those that are loaded first or for the first time.
func benchLoad(b *testing.B) {
	const goal, many = 50, 1000 // ms
	var ways []bench.Way
	for _, devices := range []int{1, many} {
		open := withDevices(devices)
		closed, other := open, withDevices(devices)
		closed.Mode = rules.Lockdown
		other.Devices[0].Policy = rules.Block
		base := compile(b, open)
		for what, in := range map[string]rules.Input{"swap": closed, "policy": other} {
			name, set := fmt.Sprintf("%s, %d devices", what, devices), compile(b, in)
			ways = append(ways, bench.Way{Name: name, Once: loading(b, fmt.Sprint("l", len(ways)), base, set)})
		}
	}
	open := withDevices(many)
	closed := opposite(open)
	ways = append(ways, bench.Way{Name: "first load", Once: loadingFirst(b, "first", compile(b, open))},
		bench.Way{Name: "first swap", Once: loadingFirst(b, "swap", compile(b, closed), compile(b, open))})
	seen := bench.Turns(benchRounds, ways)
	for _, what := range []string{"swap", "policy"} {
		one, lots := seen[what+", 1 devices"], seen[fmt.Sprintf("%s, %d devices", what, many)]
		own := map[string][]float64{"tunic": lots}
		bench.Report(b, bench.Against("rules: "+what+" with 1,000 devices", "ms", bench.Less, goal, lots), own)
		both := map[string][]float64{"tunic": lots, "with 1 device": one}
		bench.Report(b, bench.Compare("rules: "+what+" as devices grow", "ms", bench.Less, 0.5, both, "with 1 device"), both)
	}
	for _, what := range []string{"first load", "first swap"} {
		own := map[string][]float64{"tunic": seen[what]}
		bench.Report(b, bench.Against("rules: "+what+" with 1,000 devices", "ms", bench.Less, goal, seen[what]), own)
	}
	b.ReportMetric(0, "ns/op")
}

// loadingFirst returns what loads sets where nothing is and was, as at boot, by a daemon that has
// just begun, and says how many milliseconds the last takes.
func loadingFirst(b *testing.B, name string, sets ...rules.Ruleset) func() float64 {
	times := 0
	return func() (took float64) {
		times++
		gw := newNode(b, fmt.Sprint(name, times))
		k := gw.kernel()
		for _, set := range sets {
			took = timed(b, gw, k, set)
		}
		return took
	}
}

// loading returns what loads a set where base is, time and again, and says how many
// milliseconds that takes.
func loading(b *testing.B, name string, base, set rules.Ruleset) func() float64 {
	gw := newNode(b, name)
	k := gw.kernel()
	return func() float64 {
		gw.apply(k, base)
		return timed(b, gw, k, set)
	}
}

// timed returns how many milliseconds it takes to apply a set.
func timed(b *testing.B, gw *node, k *Kernel, set rules.Ruleset) float64 {
	b.Helper()
	var took time.Duration
	gw.do(func() {
		begin := time.Now()
		if err := k.Apply(b.Context(), set); err != nil {
			b.Error(err)
		}
		took = time.Since(begin)
	})
	return float64(took.Microseconds()) / 1000
}

// benchForward moves data as policy onion lets it, with 1 and with 1,000 devices, and
// without rules.
func benchForward(b *testing.B) {
	data := make([]byte, portion)
	var ways []bench.Way
	for i, devices := range []int{0, 1, 1000} {
		n := newUnwatched(b, fmt.Sprintf("p%d", i))
		if devices > 0 {
			in := withDevices(devices)
			in.Devices[devices-1].Policy, in.Group = rules.Onion, Group
			n.group("lan1", "lan2")
			n.apply(compile(b, in))
		}
		conns := n.internet.server(":8080")
		go func() {
			for c := range conns {
				go acknowledge(c)
			}
		}()
		t := &throughput{phone: n.phone}
		ways = append(ways, bench.Way{Name: fmt.Sprint(devices), Once: func() float64 {
			t.times = nil
			for range 5 {
				t.move(b, data)
			}
			return float64(portion) / 1e6 / median(t.times).Seconds()
		}})
	}
	seen := bench.Turns(3*benchRounds, ways)
	for devices, name := range map[string]string{"1": "1 device", "1000": "1,000 devices"} {
		both := map[string][]float64{"tunic": seen[devices], "no rules": seen["0"]}
		bench.Report(b, bench.Compare("rules: forward, "+name, "MB/s", bench.More, 0.98, both, "no rules"), both)
	}
	b.ReportMetric(0, "ns/op")
}

// benchConnections opens connections with 1,000 devices and with one.
func benchConnections(b *testing.B) {
	var ways []bench.Way
	for i, devices := range []int{1, 1000} {
		n := newUnwatched(b, fmt.Sprintf("c%d", i))
		n.apply(compile(b, withDevices(devices)))
		conns := n.internet.server(":8080")
		go func() {
			for c := range conns {
				c.Close()
			}
		}()
		ways = append(ways, bench.Way{Name: fmt.Sprint(devices), Once: func() float64 { return openMany(b, n.phone) }})
	}
	seen := bench.Turns(3*benchRounds, ways)
	both := map[string][]float64{"tunic": seen["1000"], "with 1 device": seen["1"]}
	bench.Report(b, bench.Compare("rules: a new connection, 1,000 devices", "us", bench.Less, 1/1.05, both, "with 1 device"), both)
	b.ReportMetric(0, "ns/op")
}

// openMany returns how long one connection takes, in microseconds.
func openMany(b *testing.B, phone *node) float64 {
	b.Helper()
	const many = 300
	var took time.Duration
	phone.do(func() {
		begin := time.Now()
		for range many {
			c, err := net.Dial("tcp", internet4+":8080")
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, c) // until the other end has closed
			c.Close()
		}
		took = time.Since(begin)
	})
	if b.Failed() {
		b.FailNow()
	}
	return float64(took.Microseconds()) / many
}

// BenchmarkCurves draws how long rules take to load as devices grow.
func BenchmarkCurves(b *testing.B) {
	swap, policy := bench.Curve{Name: "closed to open"}, bench.Curve{Name: "a policy"}
	for _, devices := range bench.Sizes {
		open := withDevices(devices)
		closed, other := open, withDevices(devices)
		closed.Mode = rules.Lockdown
		other.Devices[0].Policy = rules.Block
		for c, in := range map[*bench.Curve]rules.Input{&swap: closed, &policy: other} {
			loads := loading(b, fmt.Sprint("curve", devices, c.Name[:1]), compile(b, in), compile(b, open))
			seen := bench.Turns(benchRounds, []bench.Way{{Name: "load", Once: loads}})["load"]
			c.Points = append(c.Points, bench.Point{Count: float64(devices), Value: bench.Median(seen)})
		}
	}
	bench.Draw(b, "rules", "Loading rules, by devices", "ms", []bench.Curve{swap, policy})
	b.ReportMetric(0, "ns/op")
}
