//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// whileStopping sends while the daemon ends, and again after it (L20).
func whileStopping(w *world, send func()) {
	w.one(syscall.SIGTERM, "tunic", "run")
	send()
	w.ended()
	send()
	w.start()
}

// ended waits until there is no daemon.
func (w *world) ended() {
	w.Helper()
	w.eventually("the daemon has ended", 30*time.Second, w.daemonEnded)
}

// whileUpgrading does what a package does: stop, another file under the same
// name, start. It sends all the while.
func whileUpgrading(w *world, send func()) {
	program := w.lab.Tool("tunic")
	w.one(syscall.SIGTERM, "tunic", "run")
	send()
	w.ended()
	text, err := os.ReadFile(program)
	if err != nil {
		w.Fatal(err)
	}
	next := filepath.Join(filepath.Dir(program), "tunic.new")
	if err := os.WriteFile(next, text, 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(next, program); err != nil {
		w.Fatal(err)
	}
	send()
	bootStarting(w, send)
}

// accepting are the hooks in which acceptAll lets everything pass.
var accepting = []string{"INPUT", "FORWARD", "OUTPUT"}

// acceptAll puts a rule in front of ours that accepts everything, as firewalls
// of containers do, and waits until it is behind them.
func acceptAll(w *world) {
	for _, tool := range house.Tools {
		for _, chain := range accepting {
			w.must("gateway", tool, "-w", "-I", chain, "-j", "ACCEPT")
		}
	}
	took := w.eventually("our rules are in front", 30*time.Second, func() bool {
		for _, text := range w.saveRules() {
			for _, chain := range accepting {
				if strings.Index(text, "-A "+chain+" -j TUNIC-"+chain) > strings.Index(text, "-A "+chain+" -j ACCEPT") {
					return false
				}
			}
		}
		return true
	})
	w.timed("rules that another program preceded are in front again", took)
}

// whileAccepting sends with the other program's rules behind ours, and takes
// them out.
func whileAccepting(w *world, send func()) {
	send()
	for _, tool := range house.Tools {
		for _, chain := range accepting {
			w.must("gateway", tool, "-w", "-D", chain, "-j", "ACCEPT") // fails if the repair has removed it
		}
	}
}

// The second network of the household.
const (
	next4, next6       = "192.168.81.10", "2001:db8:81::10"
	nextBox4, nextBox6 = "192.168.81.1", "2001:db8:81::1"
)

// newNetwork is what a device sends from an address of it.
func newNetwork() []class {
	return []class{{id: "L29", what: "from addresses of a network that the household has just got", from: household,
		send: device(slices.Concat(datagrams(next4, web4, 443, 9999), datagrams(next6, web6, 443, 9999),
			[]traffic.IP{ping(next4, web4), ping(next6, web6)})...),
		sent: "src host " + next4 + " or src host " + next6, count: 6}}
}

// whileReaddressed gives the household another network and takes it away
// again; between, the phone is on line by it.
func whileReaddressed(w *world, send func()) {
	change := func(what string) {
		for node, lines := range map[string][]string{
			"gateway": {nextBox4 + "/24 dev br-lan", nextBox6 + "/64 dev br-lan nodad"},
			"phone":   {next4 + "/24 dev eth0", next6 + "/64 dev eth0 nodad"},
		} {
			for _, line := range lines {
				if what == "del" {
					line = strings.TrimSuffix(line, " nodad")
				}
				w.must(node, slices.Concat([]string{"ip", "addr", what}, strings.Fields(line))...)
			}
		}
	}
	change("add")
	send()
	for from, url := range map[string]string{next4: "http://" + web4 + "/ip", next6: "http://[" + web6 + "]/ip"} {
		took := w.eventually("the phone is on line by "+from, 20*time.Second, func() bool {
			seen, ok := w.curl("phone", 5, "--interface", from, url)
			return ok && house.IsExit(seen)
		})
		w.timed("on line by "+from, took)
	}
	change("del")
	send()
	w.ready()
}

// withoutInterface is a box that starts without its household's interface, as
// with an adapter that takes its time.
func withoutInterface(w *world) {
	boot(w)
	w.must("gateway", "ip", "link", "del", "br-lan")
	w.must("gateway", "tunic", "lockdown")
}

// interfaceLate starts the daemon, then makes the interface; devices send from
// the first moment on.
func interfaceLate(w *world, send func()) {
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	w.eventually("the daemon misses the interface", 30*time.Second, func() bool {
		return strings.Contains(w.exec("gateway", "tunic", "status", "--json").Stdout, `"interface-missing"`)
	})
	n, err := w.lab.Plan().Node("gateway")
	if err != nil {
		w.Fatal(err)
	}
	lines := []string{fmt.Sprintf("link add %s address %s type bridge stp_state 0 mcast_snooping 0", n.LAN.Name, n.LAN.MAC),
		"link set " + n.LAN.Name + " up"}
	for _, d := range w.lab.Plan().Nodes {
		if d.Household == n.Household && d.Name != n.Name {
			lines = append(lines, fmt.Sprintf("link set %s master %s", d.Name, n.LAN.Name))
		}
	}
	for _, a := range n.LAN.Addrs {
		line := fmt.Sprintf("addr add %s dev %s", a, n.LAN.Name)
		if a.Addr().Is6() {
			line += " nodad"
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		w.must("gateway", append([]string{"ip"}, strings.Fields(line)...)...)
	}
	begin := time.Now()
	send()
	w.ready()
	w.timed("interface there to ready, with all sent between", time.Since(begin))
}
