//go:build lab

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// The network of containers on the box, as Docker makes one (L32).
const (
	ctrBridge            = "ctr0"
	ctr4, ctr6           = "172.30.77.2", "fd30:77::2"
	layerPostOfContainer = `^TUNIC-POST -s (172|fd30)\S* -j DROP$`
)

// containerClasses are what a container sends.
func containerClasses() []class {
	return []class{{id: "L32", what: "containers on the box, their interface being a household one", from: containers,
		send: func(w *world) error {
			return w.container().Send(raw(slices.Concat(
				datagrams(ctr4, web4, 443, 123, 9999), datagrams(ctr6, web6, 443, 9999), datagrams(ctr4, public4, 53),
				datagrams(ctr6, public6, 53),
				segments(ctr4, web4, 80, traffic.SYN, traffic.PSH|traffic.ACK), segments(ctr6, web6, 80, traffic.PSH|traffic.ACK),
				[]traffic.IP{ping(ctr4, web4), ping(ctr6, web6)}))...)
		},
		sent: "-i " + ctrBridge, count: 12,
		layers: []string{layerTrans, layerMid, layerInvalid, layerDNS, layerPolicy, layerPostOfContainer}}}
}

func (w *world) container() traffic.Host {
	return traffic.Host{Namespace: "tunic-" + labID + "-ctr"}
}

// ip runs ip(8) outside of the lab's namespaces: those are made there.
func (w *world) ip(args ...string) {
	w.Helper()
	if out, err := exec.CommandContext(w.ctx, "ip", args...).CombinedOutput(); err != nil {
		w.Fatalf("ip %q: %v: %s", args, err, out)
	}
}

// containers gives the box a container, shows that nothing of it passes, that
// status says so, and that it goes out in clear once its interface is named, and
// makes it a household one.
func (w *world) containers() (undo func()) {
	w.Helper()
	w.ip("netns", "add", w.container().Namespace)
	w.must("gateway", "ip", "link", "add", ctrBridge, "type", "veth", "peer", "name", "eth0", "netns", w.container().Namespace)
	masquerade := strings.Fields("POSTROUTING -s 172.30.77.0/24 ! -o " + ctrBridge + " -j MASQUERADE")
	for _, line := range []string{"link set " + ctrBridge + " up", "addr add 172.30.77.1/24 dev " + ctrBridge,
		"addr add fd30:77::1/64 dev " + ctrBridge + " nodad"} {
		w.must("gateway", append([]string{"ip"}, strings.Fields(line)...)...)
	}
	for _, line := range []string{"link set lo up", "link set eth0 up", "addr add " + ctr4 + "/24 dev eth0",
		"addr add " + ctr6 + "/64 dev eth0 nodad", "route add default via 172.30.77.1", "route add default via fd30:77::1"} {
		w.ip(append([]string{"-n", w.container().Namespace}, strings.Fields(line)...)...)
	}
	w.must("gateway", slices.Concat([]string{"iptables", "-w", "-t", "nat", "-A"}, masquerade)...)
	before, err := os.ReadFile(w.paths().Main())
	if err != nil {
		w.Fatal(err)
	}
	w.containerNamedNowhere()
	w.write(w.paths().Main(), string(before)+"\n[gateway]\nother-networks = [\""+ctrBridge+"\"]\n")
	w.must("gateway", "tunic", "reload")
	w.containerInClear()
	w.must("gateway", slices.Concat([]string{"iptables", "-w", "-t", "nat", "-D"}, masquerade)...)
	w.write(w.paths().Main(), strings.Replace(string(before), `["br-lan"]`, `["br-lan", "`+ctrBridge+`"]`, 1))
	w.must("gateway", "tunic", "reload")
	w.ready()
	w.containerThroughTor()
	return func() {
		w.write(w.paths().Main(), string(before))
		w.must("gateway", "ip", "link", "del", ctrBridge)
		w.ip("netns", "del", w.container().Namespace)
		w.must("gateway", "tunic", "reload")
		w.ready()
	}
}

// containerNamedNowhere: a network that nobody has named reaches nothing, and
// status says which line would let it.
func (w *world) containerNamedNowhere() {
	w.Helper()
	w.finds(health.NetworkRefused, ctrBridge+" (172.30.77.0/24", `other-networks = ["`+ctrBridge+`"]`)
	if n := w.containerSends(); n != 0 {
		w.Errorf("%d packets of a network that is named nowhere left", n)
	}
}

// containerInClear: what is named is its owner's.
func (w *world) containerInClear() {
	w.Helper()
	if n := w.containerSends(); n != 1 {
		w.Errorf("%d packets of a network that is named left, not the one", n)
	}
	if slices.ContainsFunc(w.status().Findings, func(f health.Finding) bool { return f.Code == health.NetworkRefused }) {
		w.Error("status says that a network that is named is refused")
	}
}

// containerSends sends a datagram and counts what leaves.
func (w *world) containerSends() int {
	w.Helper()
	mark := w.wan.MustMark(w)
	if err := w.container().Send(raw(datagrams(ctr4, web4, 443))...); err != nil {
		w.Error(err)
	}
	w.pause(settle)
	return len(w.wan.MustLines(w, mark, "udp dst port 443 and src host "+wan4))
}

// lastLine reads to the end.
func lastLine(r io.Reader) (line string, ok bool) {
	page, err := io.ReadAll(r)
	page = bytes.TrimSpace(page)
	line = string(page[bytes.LastIndexByte(page, '\n')+1:])
	return line, err == nil && line != ""
}

func (w *world) containerThroughTor() {
	w.Helper()
	from := ""
	w.eventually("a container of the household reaches the web", 20*time.Second, func() bool {
		conn, err := w.container().Dial(w.ctx, "tcp", web4+":80")
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // of a connection that is open
		fmt.Fprint(conn, "GET /ip HTTP/1.0\r\n\r\n")
		var ok bool
		from, ok = lastLine(conn)
		return ok
	})
	if !house.IsExit(from) {
		w.Errorf("a container of the household arrived from %q, which is no exit", from)
	}
	if slices.ContainsFunc(w.status().Findings, func(f health.Finding) bool { return f.Code == health.NetworkRefused }) {
		w.Error("status still says that the containers are named nowhere")
	}
}
