//go:build lab

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/health"
	"tunic/internal/lab"
	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// coexistVariable has the parts run that try other programs beside tunic: see
// `make coexist`.
const coexistVariable = "TUNIC_COEXIST"

// filtered is a filter of the household: dnsmasq, of which Pi-hole is made.
type filtered struct {
	lab.Process
	w *world
}

// blocks are its lists: names that do not exist, or lead nowhere.
var blocks = []string{"--address=/v4.example/", "--address=/v6.example/0.0.0.0", "--address=/v6.example/::"}

// filter starts dnsmasq on a node. It ends with the test.
func (w *world) filter(node, name, listen, port string, more ...string) *filtered {
	w.Helper()
	args := append([]string{"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
		"--bind-interfaces", "--except-interface=nothing", "--listen-address=" + listen, "--port=" + port, "--log-queries",
		"--log-facility=-", "--pid-file="}, more...)
	p, err := w.lab.Start(node, name, args...)
	if err != nil {
		w.Fatal(err)
	}
	f := &filtered{p, w}
	w.Cleanup(f.end)
	w.eventually("the filter runs", 30*time.Second, func() bool {
		text, err := os.ReadFile(w.lab.LogFile(name))
		return err == nil && strings.Contains(string(text), "started, version")
	})
	return f
}

func (f *filtered) end() { f.w.endProcess(f.Process) }

// endProcess ends a program of the lab's.
func (w *world) endProcess(p lab.Process) {
	w.Helper()
	if p.Alive() {
		_ = syscall.Kill(p.PID, syscall.SIGCONT)
		_ = syscall.Kill(p.PID, syscall.SIGTERM)
		w.eventually(p.Name+" has ended", 30*time.Second, func() bool { return !p.Alive() })
	}
}

// asked are the names that the filter was asked for, without those of proofs.
func (f *filtered) asked() (names []string) {
	text, err := os.ReadFile(f.w.lab.LogFile(f.Name))
	if err != nil {
		f.w.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, query, ok := strings.Cut(line, " query[")
		if _, name, found := strings.Cut(query, "] "); ok && found && !strings.HasPrefix(name, "tunic-") {
			names = append(names, strings.Fields(name)[0])
		}
	}
	return names
}

// testFilter has a filter behind the box's resolver, in the household and on the box,
// in front of it, behind another one, silent, and one that asks nobody.
func testFilter(w *world) {
	mark := w.wan.MustMark(w)
	defer w.bridged(false)()
	w.run("in the household", filterInTheHousehold)
	w.run("on the box", filterOnTheBox)
	w.run("behind another", filterBehindAnother)
	w.run("asks nobody", filterAsksNobody)
	w.run("in front", filterInFront)
	w.pause(settle)
	if lines := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(lines) != 0 {
		w.Errorf("%d packets left outside Tor:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

func upstream(server string) string { return fmt.Sprintf("\n[dns]\nupstream = %q\n", server) }

func filterInTheHousehold(w *world) {
	f := w.filter("nas", "filter-lan", nas4, "53", append(blocks, "--server="+box4)...)
	home, other := w.must("gateway", "tunic", "address", "home"), w.must("friend", "tunic", "address", "home")
	w.configure(upstream(nas4), func() {
		w.must("gateway", "tunic", "reload")
		w.filters(f)
		before := len(f.asked())
		for _, name := range []string{other, home, global(other),
			"box.home.arpa", "alice.peer.home.arpa", "printer.local", "nas.lan", "foo"} {
			w.rcode(name)
		}
		if got := f.asked()[before:]; len(got) != 0 {
			w.Errorf("the filter was asked for names of the house: %q", got)
		}
		if got := w.rcodeOf(w.gateway, public4, "v4.example"); got != dns.RcodeSuccess {
			w.Errorf("the box itself is filtered: %d", got)
		}
		w.silent(f)
	})
	if got := w.rcode("v4.example"); got != dns.RcodeSuccess {
		w.Errorf("without it: %d", got)
	}
}

// filters: what the filter blocks no device gets, of no server that it asks, and all
// else through Tor.
func (w *world) filters(f *filtered) {
	w.Helper()
	w.eventually("the filter is asked", 30*time.Second, func() bool { return w.rcode("v4.example") == dns.RcodeNameError })
	queries := len(w.queries())
	for _, by := range []string{"udp " + box4, "tcp " + box4, "udp " + box6, "udp " + public4, "tcp " + public6} {
		network, server, _ := strings.Cut(by, " ")
		for name, want := range map[string][]string{"web.example": {web4}, "v4.example": nil, "v6.example": nil} {
			reply, err := w.question(w.phone, network, server, name, dns.TypeA, 10*time.Second)
			if err != nil || !slices.Equal(answers(reply), want) {
				w.Errorf("%s: %s: %v, %v", by, name, reply, err)
			}
		}
	}
	if !slices.Contains(f.asked(), "web.example") {
		w.Errorf("the filter was asked %q", f.asked())
	}
	for _, q := range w.queries()[queries:] {
		if strings.HasPrefix(q.Name, "v4.") || strings.HasPrefix(q.Name, "v6.") {
			w.Errorf("an exit asked for %s", q.Name)
		}
	}
	if codes := w.upstreamFindings(); len(codes) != 0 {
		w.Errorf("status finds %q", codes)
	}
	if body, ok := w.curl("phone", 20, "http://web.example/ip"); !ok || !house.IsExit(body) {
		w.Errorf("the phone's page came by %q", body)
	}
}

// silent: while the filter hangs nobody is asked in its place, and status says so.
func (w *world) silent(f *filtered) {
	w.Helper()
	_ = syscall.Kill(f.PID, syscall.SIGSTOP)
	queries, begin := len(w.queries()), time.Now()
	if got := w.rcodeOf(w.phone, box4, "web.example"); got != dns.RcodeServerFailure {
		w.Errorf("a silent filter: %d", got)
	}
	w.eventually("the finding", 30*time.Second-time.Since(begin), func() bool {
		return slices.Equal(w.upstreamFindings(), []health.Code{health.UpstreamSilent})
	})
	w.timed("a silent filter is found", time.Since(begin))
	if n := len(w.queries()) - queries; n != 0 {
		w.Errorf("%d questions reached exits without it", n)
	}
	_ = syscall.Kill(f.PID, syscall.SIGCONT)
	begin = time.Now()
	w.eventually("the finding goes away by itself", 30*time.Second, func() bool { return len(w.upstreamFindings()) == 0 })
	w.timed("a filter that answers again is found", time.Since(begin))
	if got := w.rcode("web.example"); got != dns.RcodeSuccess {
		w.Errorf("once it answers again: %d", got)
	}
}

func (w *world) upstreamFindings() (codes []health.Code) {
	w.Helper()
	for _, f := range w.status().Findings {
		if strings.HasPrefix(string(f.Code), "dns-upstream") {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// filterOnTheBox: its own questions, to a server on the internet, are led back to the
// box's resolver.
func filterOnTheBox(w *world) {
	f := w.filter("gateway", "filter-box", "127.0.0.1", "5353", append(blocks, "--server="+public4)...)
	w.configure(upstream("127.0.0.1:5353"), func() {
		w.must("gateway", "tunic", "reload")
		w.filters(f)
	})
}

// filterBehindAnother: two in a row do not go round in a circle.
func filterBehindAnother(w *world) {
	second := w.filter("laptop", "filter-second", laptop4, "53", "--server="+box4)
	f := w.filter("nas", "filter-first", nas4, "53", append(blocks, "--server="+laptop4)...)
	w.configure(upstream(nas4), func() {
		w.must("gateway", "tunic", "reload")
		w.filters(f)
		counted := make(map[string]int)
		for _, name := range second.asked() {
			counted[name]++
		}
		if n := counted["web.example"]; n == 0 || n > 12 {
			w.Errorf("the second was asked %d times", n)
		}
	})
}

// filterAsksNobody: what a filter makes up, or has from elsewhere, nobody gets, and it
// is told no name.
func filterAsksNobody(w *world) {
	f := w.filter("nas", "filter-alone", nas4, "53", "--address=/#/203.0.113.66")
	w.configure(upstream(nas4), func() {
		w.must("gateway", "tunic", "reload")
		if got := w.rcode("web.example"); got != dns.RcodeServerFailure {
			w.Errorf("it answers %d", got)
		}
		w.eventually("the finding", 30*time.Second, func() bool {
			return slices.Equal(w.upstreamFindings(), []health.Code{health.UpstreamElsewhere})
		})
		if names := f.asked(); len(names) != 0 {
			w.Errorf("it was asked %q", names)
		}
	})
}

// filterInFront: devices ask the filter, as DHCP tells them, and it asks the box.
func filterInFront(w *world) {
	f := w.filter("nas", "filter-front", nas4, "53", append(blocks, "--server="+box4)...)
	undo := w.bridged(true)
	if got := w.rcodeOf(w.phone, nas4, "v4.example"); got != dns.RcodeSuccess || len(f.asked()) != 0 {
		w.Errorf("over a bridge of the box whose frames pass its rules the phone gets %d, and the filter was asked %q", got, f.asked())
	}
	undo()
	w.eventually("it answers", 30*time.Second, func() bool { return w.rcodeOf(w.phone, nas4, "web.example") == dns.RcodeSuccess })
	for name, want := range map[string]int{"v4.example": dns.RcodeNameError, "box.home.arpa": dns.RcodeSuccess,
		w.must("friend", "tunic", "address", "home"): dns.RcodeSuccess} {
		if got := w.rcodeOf(w.phone, nas4, name); got != want {
			w.Errorf("%s: %d", name, got)
		}
	}
	if !slices.Contains(f.asked(), "web.example") {
		w.Error("the phone did not ask the filter")
	}
}

// bridged says whether what passes the gateway's own bridge passes its rules too, as it
// does from when Docker has run (br_netfilter): they catch questions to all servers.
func (w *world) bridged(yes bool) (undo func()) {
	w.Helper()
	const iptables, ip6tables = "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"
	before := strings.Fields(w.must("gateway", "sysctl", "-n", iptables, ip6tables))
	value := "0"
	if yes {
		value = "1"
	}
	w.must("gateway", "sysctl", "-q", iptables+"="+value, ip6tables+"="+value)
	return func() { w.must("gateway", "sysctl", "-q", iptables+"="+before[0], ip6tables+"="+before[1]) }
}

// rcodeOf is what a server answers about a name's address, -1 for nothing.
func (w *world) rcodeOf(from traffic.Host, server, name string) int {
	reply, err := w.question(from, "udp", server, name, dns.TypeA, 8*time.Second)
	if err != nil {
		return -1
	}
	return reply.Rcode
}
