//go:build lab

package e2e

import (
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// testNamed: only what is named passes.
func testNamed(w *world) {
	w.run("no port is open to the internet", portScan)
	w.run("a wrong name for the household's interface", wrongName)
	w.run("the uplink for the household", uplinkAtHome)
	w.run("the cable out", cableOut)
	w.run("a firewall that refuses by default", denyIncoming)
}

// configured changes tunic.toml; what it returns changes it back.
func (w *world) configured(change func(string) string) (undo func()) {
	w.Helper()
	path := w.paths().Main()
	before, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	after := change(string(before))
	if after == string(before) {
		w.Fatal("nothing was changed")
	}
	w.write(path, after)
	return func() {
		w.Helper()
		w.write(path, string(before))
		w.must("gateway", "tunic", "reload")
		w.ready()
	}
}

func replaced(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// servers are ports at which something of the box's owner listens on all addresses.
var listeners = []string{":22", ":70", ":80", ":143", ":993", ":5222", ":6667", ":31337"}

// portScan sends a SYN to every port of the box from the internet, at each of its
// addresses there, and datagrams; open, in lockdown, and with one port named (L4).
func portScan(w *world) {
	for _, address := range listeners {
		l, err := w.gateway.Listen(w.ctx, address)
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		go accept(l)
	}
	if got := w.scanned(); len(got) > 0 {
		w.Errorf("open to the internet: %q", got)
	}
	w.must("gateway", "tunic", "lockdown")
	if got := w.scanned(); len(got) > 0 {
		w.Errorf("open to the internet in lockdown: %q", got)
	}
	undo := w.configured(func(s string) string { return s + "\n[gateway]\ninbound = [\"tcp/22\"]\n" })
	defer undo()
	w.must("gateway", "tunic", "reload")
	w.ready()
	if got := w.scanned(); !slices.Equal(got, []string{wan4 + " 22", wan6 + " 22", box4 + " 22", box6 + " 22"}) {
		w.Errorf("with one port named, open are %q", got)
	}
	if c, err := w.phone.Dial(w.ctx, "tcp", box4+":80"); err != nil {
		w.Errorf("the phone does not reach a server of the box: %v", err)
	} else {
		c.Close()
	}
}

func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed at the end
		}
		c.Close()
	}
}

// scanned scans all ports and returns what has answered, "ADDRESS PORT". Answers
// to datagrams count, whatever they are.
func (w *world) scanned() (open []string) {
	w.Helper()
	for _, pair := range [][2]string{{web4, wan4}, {web6, wan6}, {web4, box4}, {web6, box6}} {
		mark := w.wan.MustMark(w)
		for low := 1; low <= 65535; low += 4096 {
			var packets []traffic.IP
			for port := low; port < min(low+4096, 65536); port++ {
				packets = append(packets, segments(pair[0], pair[1], uint16(port), traffic.SYN)...)
				if port < 1024 || port > 9000 && port < 9500 {
					packets = append(packets, datagrams(pair[0], pair[1], uint16(port))...)
				}
			}
			if err := w.internet.Send(raw(packets)...); err != nil {
				w.Fatal(err)
			}
		}
		w.pause(settle)
		answer, syn := "udp or icmp or tcp[13] = 18", "tcp[13] = 2"
		if strings.Contains(pair[1], ":") {
			answer, syn = "udp or icmp6 or (ip6[6] = 6 and ip6[53] = 18)", "ip6[6] = 6 and ip6[53] = 2"
		}
		for _, line := range w.wan.MustLines(w, mark, "src host "+pair[1]+" and dst host "+pair[0]+" and ("+answer+")") {
			if found := pair[1] + " " + portOf(line, pair[1]); !slices.Contains(open, found) && !strings.Contains(line, "neighbor") {
				open = append(open, found)
			}
		}
		sent := len(w.wan.MustLines(w, mark, "dst host "+pair[1]+" and src host "+pair[0]+" and "+syn))
		if sent < 65535 {
			w.Errorf("only %d ports of %s were tried", sent, pair[1])
		}
	}
	return open
}

// portOf is the port of an address in a line of a capture: "203.0.113.100.22 >".
func portOf(line, address string) string {
	_, rest, ok := strings.Cut(line, address+".")
	if !ok {
		return line
	}
	port, _, _ := strings.Cut(rest, " ")
	return port
}

// wrongName: the household's interface is called otherwise than the files say. The
// devices reach nothing, lockdown or not, and every verb says so (L1).
func wrongName(w *world) {
	undo := w.configured(replaced(`"br-lan"`, `"lan0"`))
	defer func() { undo(); w.arrives() }()
	words := []string{`no interface "lan0" on this box; it has:`, "(default route)", "the household's is probably br-lan"}
	check, reload := w.exec("gateway", "tunic", "check"), w.exec("gateway", "tunic", "reload")
	if reload.Code == 0 {
		w.Errorf("reload ended with 0: %s", reload.Stdout)
	}
	for _, word := range words {
		if !strings.Contains(check.Stderr, word) || !strings.Contains(reload.Stderr, word) {
			w.Errorf("%q is not said by both:\n%s\n%s", word, check.Stderr, reload.Stderr)
		}
	}
	if strings.Contains(check.Stdout, "is right") {
		w.Errorf("check says %s", check.Stdout)
	}
	if s := w.status(); s.Ready || !w.found(health.HouseholdElsewhere) {
		w.Errorf("ready: %v, findings %+v", s.Ready, s.Findings)
	}
	w.reachesNothing("laptop")
	w.must("gateway", "tunic", "lockdown")
	if s := w.status(); s.State != api.Closed {
		w.Errorf("after lockdown the household is %s", s.State)
	}
	w.reachesNothing("laptop")
}

// reachesNothing sends from a device whatever it can and looks for it outside.
func (w *world) reachesNothing(device string) {
	w.Helper()
	mark := w.wan.MustMark(w)
	for _, url := range []string{"http://" + web4 + "/ip", "http://[" + web6 + "]/ip"} {
		if from, ok := w.curl(device, 3, url); ok {
			w.Errorf("%s reached %s, seen from %s", device, url, from)
		}
	}
	w.exec(device, "ping", "-n", "-c", "1", "-W", "1", web4)
	w.exec(device, "ping", "-n", "-c", "1", "-W", "1", web6)
	w.pause(settle)
	if got := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(got) > 0 {
		w.Errorf("of %s left: %q", device, got)
	}
}

// uplinkAtHome: who names the way to the internet as the household's interface is
// refused, and all stays as it was (L2).
func uplinkAtHome(w *world) {
	before := w.saveRules().canonical()
	undo := w.configured(replaced(`"br-lan"`, `"wan"`))
	defer undo()
	for _, verb := range []string{"check", "reload"} {
		r := w.exec("gateway", "tunic", verb)
		if r.Code != 2 || !strings.Contains(r.Stderr, "wan is this box's way to the internet (default route)") ||
			!strings.Contains(r.Stderr, "one-arm = true") {
			w.Errorf("%s ended with %d: %s", verb, r.Code, r.Stderr)
		}
	}
	if w.saveRules().canonical() != before {
		w.Error("the rules were changed")
	}
	w.arrives()
}

// unplugged switches the uplink off; what it returns switches it on again.
func (w *world) unplugged() (plug func()) {
	w.Helper()
	n, err := w.lab.Plan().Node("gateway")
	if err != nil {
		w.Fatal(err)
	}
	routes := map[string][]string{}
	for _, family := range []string{"-4", "-6"} {
		routes[family] = strings.Split(w.must("gateway", "ip", family, "route", "show", "default"), "\n")
	}
	w.must("gateway", "ip", "link", "set", "wan", "down")
	return func() {
		w.must("gateway", "ip", "link", "set", "wan", "up")
		for _, a := range n.Uplink.Addrs {
			w.exec("gateway", "ip", "addr", "add", a.String(), "dev", "wan", "nodad") // IPv4 is there still
		}
		for family, lines := range routes {
			for _, line := range lines {
				w.must("gateway", append([]string{"ip", family, "route", "replace"}, strings.Fields(line)...)...)
			}
		}
	}
}

// cableOut: the box has no way out. Status says so within seconds (L3).
func cableOut(w *world) {
	plug := w.unplugged()
	defer func() {
		plug()
		w.ready()
		w.arrives()
	}()
	begin := time.Now()
	w.finds(health.NoUplink, "no connection to the internet", "wan is switched off")
	if took := time.Since(begin); took > 20*time.Second {
		w.Errorf("it took %v", took)
	}
	begin = time.Now()
	if r := w.exec("gateway", "tunic", "doctor"); r.Code != 3 || !strings.Contains(r.Stdout, "FAIL    no connection to the internet") {
		w.Errorf("the doctor: status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if took := time.Since(begin); took > 20*time.Second {
		w.Errorf("the doctor took %v without a way out", took)
	}
	if w.status().Ready {
		w.Error("the box is ready without a way to the internet")
	}
}

// denyIncoming: another firewall that refuses by default what comes in, as ufw
// does, does not cut the household off; that it would cut direct devices is told.
func denyIncoming(w *world) {
	for _, tool := range house.Tools {
		w.must("gateway", tool, "-w", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
		w.must("gateway", tool, "-w", "-P", "INPUT", "DROP")
		w.must("gateway", tool, "-w", "-P", "FORWARD", "DROP")
	}
	neighbours := strings.Fields("ip6tables -w -A INPUT -p ipv6-icmp -j ACCEPT") // as ufw does
	w.must("gateway", neighbours...)
	defer func() {
		neighbours[2] = "-D"
		w.must("gateway", neighbours...)
		for _, tool := range house.Tools {
			w.must("gateway", tool, "-w", "-P", "INPUT", "ACCEPT")
			w.must("gateway", tool, "-w", "-P", "FORWARD", "ACCEPT")
			w.must("gateway", tool, "-w", "-D", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
		}
	}()
	w.arrives()
	for _, words := range [][]string{{"http://[" + web6 + "]/ip"},
		{"--socks5-hostname", box4 + ":9050", "http://web.example/ip"}, {"http://web.example/ip"}} {
		if from, ok := w.curl("phone", 10, words...); !ok || !house.IsExit(from) {
			w.Errorf("curl %q arrived from %q", words, from)
		}
	}
	w.policy("laptop", "direct")
	defer w.noPolicy("laptop")
	w.finds(health.OtherFirewall, "what is forwarded by default", "br-lan")
}

// whileMisnamed gives the household's interface a wrong name in the files.
func whileMisnamed(w *world, send func()) {
	undo := w.configured(replaced(`"br-lan"`, `"lan0"`))
	w.exec("gateway", "tunic", "reload") // complains
	w.finds(health.HouseholdElsewhere, "lan0")
	send()
	undo()
}

// whileUnnamed takes the containers' network out of the household.
func whileUnnamed(w *world, send func()) {
	undo := w.configured(replaced(`, "`+ctrBridge+`"`, ""))
	w.must("gateway", "tunic", "reload")
	w.finds(health.NetworkRefused, ctrBridge)
	send()
	undo()
}
