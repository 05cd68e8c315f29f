//go:build lab

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/health"
	"tunic/internal/lab"
	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// WireGuard's ports and addresses: of the box's server, and of a provider's.
const (
	wgPort, wgProviderPort = "51820", "51821"
	wgBox4, wgRoad4        = "10.77.9.1", "10.77.9.2"
	wgOut4, wgProvider4    = "10.78.9.2", "10.78.9.1"
)

// tunnel is one end of WireGuard's, in the form of wireguard-go: the kernel that runs
// the tests may have none.
type tunnel struct {
	lab.Process
	name, private, public string
}

// tunnel makes an end on a node. Where its packets come from and go to stays there,
// when the interface is moved. It ends with the test.
func (w *world) tunnel(node, name string) *tunnel {
	w.Helper()
	t := &tunnel{name: name, private: w.must(node, "wg", "genkey")}
	t.public = w.must(node, "sh", "-c", "echo "+t.private+" | wg pubkey")
	var err error
	if t.Process, err = w.lab.Start(node, "wireguard-"+name, "wireguard-go", "-f", name); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { w.endProcess(t.Process) })
	w.eventually("WireGuard runs", 30*time.Second, func() bool { return w.exec(node, "wg", "show", name).Code == 0 })
	w.write(w.keyFile(name), t.private)
	return t
}

func (w *world) keyFile(name string) string {
	return filepath.Join(filepath.Dir(w.lab.LogFile("x")), name+".key")
}

// wgPeer has one end know the other one.
func (w *world) wgPeer(node string, t, other *tunnel, port, allowed string, more ...string) {
	w.Helper()
	w.must(node, append([]string{"wg", "set", t.name, "private-key", w.keyFile(t.name), "listen-port", port, "peer", other.public,
		"allowed-ips", allowed}, more...)...)
}

// testWireGuard has somebody on the road come home by WireGuard, and the box itself
// go out by a provider's.
func testWireGuard(w *world) {
	w.run("home from the road", fromTheRoad)
	w.run("out by a provider", byAProvider)
}

func (w *world) road() traffic.Host { return traffic.Host{Namespace: "tunic-" + labID + "-road"} }

// fromTheRoad: nobody gets in until the port is named; what comes in is the internet's
// until the interface is named, and then a device of the household's.
func fromTheRoad(w *world) {
	const name = "wghome"
	box, road := w.tunnel("gateway", name), w.tunnel(lab.InternetNode, "wg"+labID)
	w.ip("netns", "add", w.road().Namespace)
	w.Cleanup(func() { w.ip("netns", "del", w.road().Namespace) })
	w.wgPeer("gateway", box, road, wgPort, wgRoad4+"/32")
	w.wgPeer(lab.InternetNode, road, box, "0", "0.0.0.0/0", "endpoint", wan4+":"+wgPort, "persistent-keepalive", "1")
	w.must("gateway", "ip", "addr", "add", wgBox4+"/24", "dev", name)
	w.must("gateway", "ip", "link", "set", name, "up")
	w.must(lab.InternetNode, "ip", "link", "set", road.name, "netns", w.road().Namespace)
	for _, line := range []string{"link set lo up", "addr add " + wgRoad4 + "/24 dev " + road.name, "link set " + road.name + " up",
		"route add default dev " + road.name} {
		w.ip(append([]string{"-n", w.road().Namespace}, strings.Fields(line)...)...)
	}
	shakes := func() bool {
		return !strings.HasSuffix(w.must("gateway", "wg", "show", name, "latest-handshakes"), "\t0")
	}
	w.pause(3 * time.Second)
	if shakes() {
		w.Error("somebody got in by a port that is not named")
	}
	mark := w.wan.MustMark(w)
	undo := w.configured(func(s string) string { return s + "\n[gateway]\ninbound = [\"udp/" + wgPort + "\"]\n" })
	w.must("gateway", "tunic", "reload")
	w.eventually("the tunnel is up", 20*time.Second, shakes)
	w.finds(health.NetworkRefused, name)
	if _, ok := w.fromRoad(); ok || w.rcodeOf(w.road(), wgBox4, "web.example") == dns.RcodeSuccess {
		w.Error("whoever comes by an interface that is named nowhere reaches the web, or the box's resolver")
	}
	undo()
	undo = w.configured(func(s string) string {
		return strings.Replace(s, `["br-lan"]`, `["br-lan", "`+name+`"]`, 1) + "\n[gateway]\ninbound = [\"udp/" + wgPort + "\"]\n"
	})
	defer undo()
	w.must("gateway", "tunic", "reload")
	w.ready()
	w.eventually("the web is reached from the road through Tor", 30*time.Second, func() bool {
		seen, ok := w.fromRoad()
		if ok && !house.IsExit(seen) {
			w.Fatalf("the web sees %q", seen)
		}
		return ok
	})
	if got := w.rcodeOf(w.road(), wgBox4, "web.example"); got != dns.RcodeSuccess {
		w.Errorf("a name from the road: %d", got)
	}
	if err := w.road().Send(raw(datagrams(wgRoad4, web4, 443, 123, 9999))...); err != nil {
		w.Error(err)
	}
	w.pause(settle)
	w.leftOnly(mark, "not (udp src port "+wgPort+" and src host "+wan4+")")
}

// leftOnly: of all that left since mark, nothing but Tor fits the filter.
func (w *world) leftOnly(mark lab.Mark, filter string) {
	w.Helper()
	foreign := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway")+" and "+filter)
	if len(foreign) > 0 {
		w.Errorf("%d packets left outside Tor:\n%s", len(foreign), strings.Join(foreign[:min(len(foreign), 10)], "\n"))
	}
}

// fromRoad is from where the web sees somebody on the road.
func (w *world) fromRoad() (string, bool) {
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	conn, err := w.road().Dial(ctx, "tcp", web4+":80")
	if err != nil {
		return "", false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // of a connection that is open
	fmt.Fprint(conn, "GET /ip HTTP/1.0\r\n\r\n")
	return lastLine(conn)
}

// byAProvider: wg-quick leads all that the box sends to a provider's tunnel, by rules
// before everybody else's. The relays are on the wire of the uplink here, so tor's
// connections do not go by it.
func byAProvider(w *world) {
	const name = "wgout"
	provider := w.tunnel(lab.InternetNode, "wgp"+labID)
	w.must(lab.InternetNode, "ip", "addr", "add", wgProvider4+"/24", "dev", provider.name)
	w.must(lab.InternetNode, "ip", "link", "set", provider.name, "up")
	private := w.must("gateway", "wg", "genkey")
	public := w.must("gateway", "sh", "-c", "echo "+private+" | wg pubkey")
	w.wgPeer(lab.InternetNode, provider, &tunnel{public: public}, wgProviderPort, wgOut4+"/32")
	conf := filepath.Join(filepath.Dir(w.lab.LogFile("x")), name+".conf")
	w.write(conf, fmt.Sprintf("[Interface]\nPrivateKey = %s\nAddress = %s/24\n"+
		"[Peer]\nPublicKey = %s\nEndpoint = %s:%s\nAllowedIPs = 0.0.0.0/0\n",
		private, wgOut4, provider.public, router4, wgProviderPort))
	if err := os.Chmod(conf, 0o600); err != nil {
		w.Fatal(err)
	}
	w.Logf("%s", w.must("gateway", "sh", "-c", "wg-quick up "+conf+" 2>&1"))
	down := func() { w.must("gateway", "sh", "-c", "wg-quick down "+conf+" 2>&1") }
	defer func() {
		down()
		w.ready()
		w.arrives()
	}()
	undo := w.configured(func(s string) string {
		return s + "\n[gateway]\nexceptions = [\"udp://" + router4 + ":" + wgProviderPort + "\"]\n"
	})
	defer undo()
	w.must("gateway", "tunic", "reload")
	w.ready()
	w.eventually("the phone reaches the web again", time.Minute, func() bool {
		body, ok := w.curl("phone", 15, "http://"+web4+"/ip")
		if ok && !house.IsExit(body) {
			w.Fatalf("the web sees %q", body)
		}
		return ok
	})
	w.walledFirst()
	mark := w.wan.MustMark(w)
	if body, ok := w.curl("phone", 20, "http://"+web4+"/ip"); !ok || !house.IsExit(body) {
		w.Errorf("the web sees %q", body)
	}
	if err := w.phone.Send(raw(slices.Concat(datagrams(phone4, web4, 443, 123), datagrams(phone4, public4, 53)))...); err != nil {
		w.Error(err)
	}
	w.pause(settle)
	w.leftOnly(mark, "not (udp dst port "+wgProviderPort+" and dst host "+router4+")")
}

// walledFirst: the second wall stands before the rules of wg-quick's.
func (w *world) walledFirst() {
	w.Helper()
	lines := strings.Split(w.must("gateway", "ip", "rule"), "\n")
	last, first := -1, len(lines)
	for i, line := range lines {
		if strings.Contains(line, "proto 116") {
			last = i
		}
		if strings.Contains(line, "0xca6c") || strings.Contains(line, "suppress_prefixlength") {
			first = min(first, i)
		}
	}
	if last < 0 || last > first || first == len(lines) {
		w.Errorf("the order of rules is\n%s", strings.Join(lines, "\n"))
	}
}
