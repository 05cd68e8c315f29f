//go:build lab

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"tunic/gateway/config"
)

// taken is a child process of the box whose code is somebody else's now.
type taken struct {
	user   string
	pids   []string
	ports  []uint16       // of loopback that it dials for its work
	reads  *regexp.Regexp // files below the box's root that are its business
	writes *regexp.Regexp
}

// drill runs what an attacker would run who has taken over one of the box's
// children, as its user, while all of them run.
func drill(w *world, a postBox) {
	for _, c := range []taken{
		{user: config.ServeUser, reads: regexp.MustCompile(`^var/lib/tunic/(mail|spool)/`),
			writes: regexp.MustCompile(`^var/lib/tunic/(mail|spool)/`),
			ports: []uint16{config.DovecotPort, config.ProsodyClientPort, config.ProsodyServerPort, config.ProsodyFilesPort,
				config.NgircdPort}},
		{user: config.MailUser, reads: regexp.MustCompile(`^(var/lib/tunic/mail|run/tunic/dovecot)/`),
			writes: regexp.MustCompile(`^(var/lib/tunic/mail|run/tunic/dovecot)/`)},
		{user: config.XMPPUser, reads: regexp.MustCompile(`^(var/lib/tunic/(xmpp|prosody)|run/tunic/prosody)/`),
			writes: regexp.MustCompile(`^(var/lib/tunic/xmpp|run/tunic/prosody/work)/`),
			ports:  []uint16{config.SocksPort}},
		{user: config.IRCUser, reads: regexp.MustCompile(`^run/tunic/irc/`), writes: regexp.MustCompile(`^run/tunic/irc/work/`)},
	} {
		w.run(c.user, func(w *world) {
			c.pids = w.pidsOf(a.node, c.user)
			if len(c.pids) == 0 {
				w.Fatal("it does not run")
			}
			w.powerless(c)
			w.dials(a, c)
			w.files(a, c)
		})
	}
}

// pidsOf are the processes of a user on a box.
func (w *world) pidsOf(node, name string) (pids []string) {
	w.Helper()
	for _, pid := range strings.Fields(w.exec(node, "pgrep", "-u", name).Stdout) {
		if w.inside(node, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// powerless looks at what the kernel grants the processes themselves.
func (w *world) powerless(c taken) {
	for _, pid := range c.pids {
		text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			w.Fatal(err)
		}
		for _, line := range []string{"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
			"NoNewPrivs:\t1"} {
			if !strings.Contains(string(text), line) {
				w.Errorf("process %s of %s: not %q:\n%s", pid, c.user, line, text)
			}
		}
	}
}

// as runs a command line of the attacker's.
func (w *world) as(node, name string, args ...string) (out string, ok bool) {
	r := w.exec(node, append([]string{"setpriv", "--reuid", name, "--regid", name, "--clear-groups", "--no-new-privs",
		"--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"}, args...)...)
	return r.Stdout, r.Code == 0
}

// dials tries everything that can be dialled: what the child needs is reached,
// everything else is refused before anybody hears of it.
func (w *world) dials(a postBox, c taken) {
	uid := w.uid(c.user)
	from := w.gateway.As(uid)
	for _, port := range c.ports {
		if conn, err := from.Dial(w.ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			w.Errorf("what it needs: %v", err)
		} else {
			conn.Close()
		}
	}
	var heard atomic.Int32
	bystanders := w.bystanders(&heard)
	wan := w.wan.MustMark(w)
	tcp := slices.Concat(bystanders,
		[]string{web4 + ":80", "[" + web6 + "]:80", web4 + ":53", nas4 + ":2222", wan4 + ":22", box4 + ":9999"})
	for _, port := range []uint16{config.SocksPort, config.DovecotPort, config.ProsodyClientPort, config.ProsodyServerPort,
		config.ProsodyFilesPort,
		config.NgircdPort, config.TransPort} {
		if !slices.Contains(c.ports, port) && !w.listens(c, port) {
			tcp = append(tcp, fmt.Sprintf("127.0.0.1:%d", port))
		}
	}
	for _, address := range tcp {
		if conn, err := from.Dial(w.ctx, "tcp", address); err == nil {
			conn.Close()
			w.Errorf("it reaches %s", address)
		}
	}
	udp := slices.Concat(bystanders, []string{web4 + ":443", nas4 + ":5353", box4 + ":5353"})
	if c.user != config.ServeUser { // tor's DNSPort is its way
		udp = append(udp, web4+":53", nas4+":53", "127.0.0.1:9253")
	}
	for _, address := range udp {
		if conn, err := from.Dial(w.ctx, "udp", address); err == nil {
			_, _ = conn.Write([]byte("x")) // refused, or it is heard
			conn.Close()
		}
	}
	w.pause(settle)
	if n := heard.Load(); n > 0 {
		w.Errorf("programs of the box have heard it %d times", n)
	}
	for _, line := range w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter("gateway")) {
		w.Errorf("on the uplink: %s", line)
	}
}

// bystanders are programs of the box's owner, on loopback and for the household.
func (w *world) bystanders(heard *atomic.Int32) (addresses []string) {
	w.Helper()
	for _, host := range []string{"127.0.0.1", "127.0.0.53", "[::1]", box4} {
		address := host + ":9999"
		l, err := w.gateway.Listen(w.ctx, address)
		if err != nil {
			w.Fatal(err)
		}
		var p net.PacketConn
		if err := w.gateway.Do(func() (err error) { p, err = net.ListenPacket("udp", address); return err }); err != nil {
			w.Fatal(err)
		}
		w.Cleanup(func() { l.Close(); p.Close() })
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				heard.Add(1)
				conn.Close()
			}
		}()
		go func() {
			for b := make([]byte, 16); ; heard.Add(1) {
				if _, _, err := p.ReadFrom(b); err != nil {
					return // closed by the end of the test
				}
			}
		}()
		addresses = append(addresses, address)
	}
	return addresses
}

// listens reports whether a port is the child's own.
func (w *world) listens(c taken, port uint16) bool {
	for _, line := range strings.Split(w.must("gateway", "ss", "-Hltnp", fmt.Sprintf("sport = :%d", port)), "\n") {
		for _, pid := range c.pids {
			if strings.Contains(line, "pid="+pid+",") {
				return true
			}
		}
	}
	return false
}

func (w *world) uid(name string) int {
	w.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		w.Fatal(err)
	}
	n, err := strconv.Atoi(u.Uid)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// everybodys are files that the lab puts there, and what time relays said it was.
var everybodys = regexp.MustCompile(`^(ca\.crt$|srv/gopher/|run/tunic/clock/)`)

// files lists all that the attacker can read and write below the box's root,
// and tries what would open the house: its rules, tor's control port, the
// daemon's own socket.
func (w *world) files(a postBox, c taken) {
	root := w.lab.Root(a.node)
	for how, business := range map[string]*regexp.Regexp{"-readable": c.reads, "-writable": c.writes} {
		out, _ := w.as(a.node, c.user, "find", root, "(", "-type", "f", "-o", "-type", "s", ")", how)
		for path := range strings.Lines(out) {
			if rel, err := filepath.Rel(root, strings.TrimSpace(path)); err != nil ||
				!business.MatchString(rel) && !everybodys.MatchString(rel) {
				w.Errorf("%s: %s", how, strings.TrimSpace(path))
			}
		}
	}
	paths := config.NewPaths(root)
	tries := [][]string{
		{"iptables", "-F"}, {"ip6tables", "-P", "FORWARD", "ACCEPT"}, {"ip", "rule", "flush"}, {"sysctl", "-w", "net.ipv4.ip_forward=0"},
		{"tunic", "status"}, {"tunic", "unpublish", "home"}, {"kill", "-0", w.pidsOf(a.node, config.TorUser)[0]},
		{"socat", "-u", "/dev/null", "UNIX-CONNECT:" + filepath.Join(paths.TorRun(), "control.sock")},
	}
	toTor := []string{"socat", "-u", "/dev/null", "UNIX-CONNECT:" + paths.TorSOCKS()}
	if c.user != config.ServeUser {
		tries = append(tries, toTor)
	} else if _, ok := w.as(a.node, c.user, toTor...); !ok {
		w.Error("serve's own way to tor is closed, so that of others was not tried")
	}
	for _, try := range tries {
		if out, ok := w.as(a.node, c.user, try...); ok {
			w.Errorf("%s works:\n%s", strings.Join(try, " "), out)
		}
	}
}
