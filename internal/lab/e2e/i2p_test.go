//go:build lab

package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/config"
	"tunic/internal/lab/traffic"
)

// i2pVariable has the part run that needs i2pd: see `make i2p`.
const i2pVariable = "TUNIC_I2P"

// testI2P joins an I2P network through Tor, opens a name of it in a device that knows
// nothing of I2P, publishes a page there, and looks for leaks meanwhile.
func testI2P(w *world) {
	if got := w.rcode("example.i2p"); got != dns.RcodeNameError {
		w.Errorf("without I2P: %d", got)
	}
	n := w.i2pNetwork()
	mark := w.wan.MustMark(w)
	w.write(w.paths().I2PDConf(), n.joining())
	defer os.Remove(w.paths().I2PDConf())
	w.configure("\n[i2p]\nenabled = true\n", func() {
		begin := time.Now()
		w.must("gateway", "tunic", "reload")
		w.ready()
		name := n.site(i2pRouters - 2)
		w.eventually("a site of I2P opens", 2*time.Minute, func() bool {
			page, _ := w.curl("phone", 20, "http://"+name+"/")
			return strings.Contains(page, "This is the lab's web.")
		})
		w.timed("site of I2P, opened by a phone", time.Since(begin))
		w.i2pNames(name)
		w.run("published", func(w *world) { w.publishI2P(n) })
		w.pause(settle)
		if lines := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")); len(lines) != 0 {
			w.Errorf("%d packets left outside Tor:\n%s", len(lines), strings.Join(lines, "\n"))
		}
		w.run("leaks", func(w *world) { w.leaksWithI2P(name) })
		w.run("opens after all that", func(w *world) {
			w.eventually("the site opens", 2*time.Minute, func() bool {
				page, _ := w.curl("phone", 20, "http://"+name+"/")
				return strings.Contains(page, "This is the lab's web.")
			})
		})
	})
	if got := w.rcode("example.i2p"); got != dns.RcodeNameError {
		w.Errorf("switched off again: %d", got)
	}
	w.eventually("i2pd has ended", 20*time.Second, func() bool {
		return w.exec("gateway", "pgrep", "-u", config.I2PUser).Code != 0
	})
}

// i2pNames looks at the answers for names of I2P.
func (w *world) i2pNames(name string) {
	w.Helper()
	queries := len(w.queries())
	a, b := w.addressOf(name), w.addressOf("other.i2p")
	if !a.IsValid() || !b.IsValid() || a == b || a != w.addressOf(name) {
		w.Errorf("%s is at %v, another at %v", name, a, b)
	}
	if reply, err := w.question(w.phone, "udp", box4, name, dns.TypeAAAA, 5*time.Second); err != nil ||
		reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0 {
		w.Errorf("AAAA: %v, %v", reply, err)
	}
	if got := w.rcodeOf(w.gateway, public4, name); got != dns.RcodeNameError {
		w.Errorf("the box itself is told of it: %d", got)
	}
	if r := w.exec("phone", "curl", "-sS", "-m", "10", "http://"+b.String()+":8080/"); r.Code == 0 {
		w.Error("a name that there is not opens")
	}
	for _, q := range w.queries()[queries:] {
		if strings.HasSuffix(strings.TrimSuffix(q.Name, "."), ".i2p") {
			w.Errorf("a server outside was asked for %s", q.Name)
		}
	}
}

// addressOf is what the phone is told of a name.
func (w *world) addressOf(name string) netip.Addr {
	reply, err := w.question(w.phone, "udp", box4, name, dns.TypeA, 5*time.Second)
	if list := answers(reply); err == nil && len(list) == 1 {
		a, _ := netip.ParseAddr(list[0])
		return a
	}
	return netip.Addr{}
}

// publishI2P publishes a page of the house in I2P, where a private one cannot be.
func (w *world) publishI2P(n *i2pNet) {
	path := w.paths().OnionFile("eepsite")
	defer func() {
		w.must("gateway", "tunic", "unpublish", "eepsite", "--forget-key", "--yes")
	}()
	w.write(path, "private = true\ni2p = true\nclients = []\n[ports]\n80 = \""+nas4+":8080\"\n")
	if r := w.exec("gateway", "tunic", "check"); r.Code == 0 || !strings.Contains(r.Stderr+r.Stdout, "everybody who knows the address") {
		w.Errorf("a private onion: %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.write(path, "i2p = true\n[ports]\n80 = \""+nas4+":8080\"\n70 = \"endpoint:gopher\"\n")
	w.must("gateway", "tunic", "reload")
	addresses := strings.Fields(w.must("gateway", "tunic", "address", "eepsite"))
	if len(addresses) != 2 || !strings.HasSuffix(addresses[1], ".b32.i2p") {
		w.Fatalf("its addresses are %q", addresses)
	}
	keys := filepath.Join(w.paths().I2PKeys(), "eepsite.dat")
	info, err := os.Stat(keys)
	if err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid == 0 {
		w.Errorf("the keys: %v, %v", info, err)
	}
	took := w.eventually("the page is reached by I2P", 2*time.Minute, func() bool {
		page, _ := n.fetch("http://" + addresses[1] + "/")
		return strings.Contains(page, "This is the nas.")
	})
	w.timed("page of the house, opened from I2P", took)
	if menu, _ := n.fetch("gopher://" + addresses[1] + "/"); !strings.Contains(menu, addresses[1]) {
		w.Errorf("the Gopher menu names somebody else:\n%s", menu)
	}
}

// leaksWithI2P sends all classes with I2P on, those of I2P alone also without the rules
// that hold them, and all of them in each state.
func (w *world) leaksWithI2P(name string) {
	own := i2pClasses(w.addressOf(name).String())
	defer w.containers()()
	for _, o := range w.observe(slices.Concat(classes(), own), nil) {
		o.verdict(w)
	}
	w.run("without the rules", func(w *world) {
		w.unguarded(func(leaks func(*world, class) outcome) {
			for _, c := range own {
				leaks(w, c)
			}
		})
	})
	for _, s := range states() {
		w.run(s.name, func(w *world) {
			for _, line := range leakedIn(w.sendIn(s, own)) {
				w.Errorf("leaked: %s", line)
			}
			w.arrives()
		})
	}
}

// leakedIn is what left in all outcomes.
func leakedIn(outcomes []outcome) (lines []string) {
	for _, o := range outcomes {
		lines = append(lines, o.leaked...)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// i2pClasses are what devices send to a name of I2P, and what i2pd may not send.
func i2pClasses(to string) []class {
	led := `^TUNIC-LAN -d \S+ -p tcp -j REDIRECT --to-ports 9348$`
	return []class{
		{id: "I2P", what: "TCP and UDP of a device to a name of I2P", from: household,
			send: device(slices.Concat(segments(phone4, to, 80, traffic.SYN), datagrams(phone4, to, 443, 53001))...),
			sent: fromPhone + " and dst host " + to, count: 3, layers: []string{led, layerTrans, layerPolicy, layerPost, layerVirtual}},
		{id: "I2P", what: "i2pd's own user, past Tor", from: box,
			send: func(w *world) error {
				for _, network := range []string{"tcp", "udp"} { // it is refused, and may say so
					w.as("gateway", config.I2PUser, "timeout", "2", "bash", "-c", "echo x > /dev/"+network+"/"+web4+"/9988")
				}
				return nil
			},
			sent: "-p udp --dport 9988", count: 1,
			layers: []string{`^TUNIC-OUTPUT .*-j TUNIC-CHILD$`, layerOutput, layerOwn}},
	}
}
