//go:build lab

package e2e

import (
	"fmt"
	"os"
	"strings"
	"time"

	"tunic/internal/lab"
)

// configure adds text to the gateway's tunic.toml for the length of a test.
func (w *world) configure(text string, test func()) {
	w.Helper()
	before, err := os.ReadFile(w.paths().Main())
	if err != nil {
		w.Fatal(err)
	}
	w.write(w.paths().Main(), string(before)+text)
	defer func() {
		w.write(w.paths().Main(), string(before))
		w.must("gateway", "tunic", "reload")
		w.ready()
	}()
	test()
}

// testBridges has the gateway enter by a bridge alone.
func testBridges(w *world) {
	begin := time.Now()
	line, err := w.lab.StartBridge(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	w.timed("bridge of the lab ready", time.Since(begin))
	secret := line[strings.Index(line, "cert="):][:30]
	w.configure(fmt.Sprintf("\n[tor]\nbridges = [%q]\n", line), func() {
		plan := w.must("gateway", "tunic", "plan")
		if !strings.Contains(plan, "! tor is restarted: the way into the network (bridges) changes") ||
			!strings.Contains(plan, "+ torrc Bridge obfs4 (not shown)") {
			w.Errorf("the plan:\n%s", plan)
		}
		if strings.Contains(plan, secret) || strings.Contains(plan, lab.BridgeAddr.Addr().String()) {
			w.Errorf("the plan tells the bridge:\n%s", plan)
		}
		w.onlyByBridge()
		if log := tail(w.lab.LogFile("tunic-gateway"), 1000); strings.Contains(log, secret) {
			w.Error("the daemon's log tells the bridge")
		}
	})
}

// bridged is BPF for what the gateway sends to the bridge.
func bridged() string {
	return fmt.Sprintf("(tcp and dst host %s and dst port %d)", lab.BridgeAddr.Addr(), lab.BridgeAddr.Port())
}

// opened counts the connections that the gateway opened to public relays.
func (w *world) opened(since lab.Mark) []string {
	return w.wan.MustLines(w, since,
		w.lab.Plan().TorFilter("gateway")+" and ((tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn) or (ip6 and ip6[53] & 0x12 == 2))")
}

func (w *world) onlyByBridge() {
	restarts := w.status().Tor.Restarts
	w.must("gateway", "tunic", "reload")
	begin := time.Now()
	w.eventually("another tor", time.Minute, func() bool { return w.status().Tor.Restarts > restarts })
	mark := w.wan.MustMark(w)
	w.ready()
	w.timed("bootstrapped by a bridge", time.Since(begin))
	body, ok := w.curl("phone", 30, "http://203.0.113.80/")
	if !ok {
		w.Errorf("the phone's fetch failed: %s", body)
	}
	through := len(w.wan.MustLines(w, mark, bridged()))
	foreign := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")+" and not "+bridged())
	if through == 0 || len(foreign) > 0 || len(w.opened(mark)) > 0 {
		w.Errorf("%d packets to the bridge, others:\n%s\nconnections to relays:\n%s",
			through, strings.Join(foreign, "\n"), strings.Join(w.opened(mark), "\n"))
	}
	w.Logf("%d packets to the bridge, %d others, %d connections to relays", through, len(foreign), len(w.opened(mark)))

	// Without the bridge there is no other way.
	if err := w.lab.StopBridge(w.ctx); err != nil {
		w.Fatal(err)
	}
	mark = w.wan.MustMark(w)
	if body, ok := w.curl("phone", 8, "http://203.0.113.80/"); ok {
		w.Errorf("a fetch without a bridge: %s", body)
	}
	if got := w.opened(mark); len(got) > 0 {
		w.Errorf("without the bridge tor goes elsewhere:\n%s", strings.Join(got, "\n"))
	}
}

// testOverTor has the phone dial a relay as a Tor of its own would.
func testOverTor(w *world) {
	const relay = "203.0.113.11"
	dial := func() bool { // reports whether it was open for some seconds
		return w.exec("phone", "timeout", "3", "nc", "-d", relay, fmt.Sprint(lab.ORPort)).Code == 124
	}
	finding := func() string {
		for _, f := range w.status().Findings {
			if f.Code == "tor-over-tor" {
				return f.Text
			}
		}
		return ""
	}
	took := w.eventually("a finding about a device that dials relays", 30*time.Second, func() bool {
		if dial() {
			w.Error("a connection to a relay stays open")
		}
		return finding() != ""
	})
	w.timed("tor over tor recognised", took)
	if text := finding(); !strings.Contains(text, "uses Tor itself") || !strings.Contains(text, "were refused") ||
		strings.Contains(text, relay) {
		w.Errorf("the finding: %q", text)
	}
	tracked := func(to string) string {
		return w.exec("gateway", "conntrack", "-L", "-p", "tcp", "--orig-src", "192.168.77.10", "--orig-dst", to).Stdout
	}
	w.configure("\n[tor]\nover-tor = \"pass\"\n", func() {
		w.must("gateway", "tunic", "reload")
		if s := w.status(); !strings.Contains(strings.Join(s.Leaks, "\n"), "over-tor = pass") {
			w.Errorf("exceptions: %q", s.Leaks)
		}
		if !dial() || !strings.Contains(tracked(relay), "src="+relay+" dst=203.0.113.100") {
			w.Errorf("the connection did not go directly: %s", tracked(relay))
		}
		w.exec("phone", "timeout", "2", "nc", "-d", "203.0.113.80", "80")
		if other := tracked("203.0.113.80"); !strings.Contains(other, "src=192.168.77.1 ") {
			w.Errorf("another connection went directly: %s", other)
		}
	})
	if dial() {
		w.Error("the connection is let through after it was forbidden again")
	}
}
