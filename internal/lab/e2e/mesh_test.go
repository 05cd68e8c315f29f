//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// meshVariable has the part run that has a real yggdrasil: see `make mesh`.
const meshVariable = "TUNIC_MESH"

// The mesh's interface on each node, a port of the box's own that is nobody's business,
// and a network behind the laptop with one beside it.
const (
	meshLink, ownPort = "ygg0", "2222"
	behindNet         = "10.99.0.0/24"
	behind4, strange4 = "10.99.0.2", "10.98.0.2"
)

// meshNode is a yggdrasil on a node.
type meshNode struct {
	lab.Process
	node, file, address string
}

// yggdrasil makes a node of the mesh and starts it.
func (w *world) yggdrasil(node, listen string, peers ...string) *meshNode {
	w.Helper()
	var config map[string]any
	if err := json.Unmarshal([]byte(w.must(node, "yggdrasil", "-genconf", "-json")), &config); err != nil {
		w.Fatal(err)
	}
	config["IfName"], config["AdminListen"], config["MulticastInterfaces"] = meshLink, "none", []any{}
	config["Peers"] = append([]string{}, peers...)
	if listen != "" {
		config["Listen"] = []string{listen}
	}
	text, err := json.Marshal(config)
	if err != nil {
		w.Fatal(err)
	}
	m := &meshNode{node: node, file: filepath.Join(filepath.Dir(w.lab.LogFile("x")), "yggdrasil-"+node+".json")}
	w.write(m.file, string(text))
	m.address = strings.TrimSpace(w.must(node, "yggdrasil", "-useconffile", m.file, "-address"))
	w.Cleanup(func() { w.endProcess(m.Process) })
	m.start(w)
	return m
}

// start starts it, and waits for its interface.
func (m *meshNode) start(w *world) {
	w.Helper()
	var err error
	if m.Process, err = w.lab.Start(m.node, "yggdrasil-"+m.node, "yggdrasil", "-useconffile", m.file, "-logto", "stdout"); err != nil {
		w.Fatal(err)
	}
	w.eventually("yggdrasil is up on "+m.node, 30*time.Second, func() bool {
		return strings.Contains(w.exec(m.node, "ip", "-6", "addr", "show", "dev", meshLink).Stdout, m.address)
	})
}

// testMesh: a mesh over a friend's onion, as an interface of the household, and a
// network behind a device.
func testMesh(w *world) {
	if w.peer("friend", "alice").State != api.PeerFriend {
		w.must("friend", "tunic", "accept", w.must("gateway", "tunic", "invite", "bob", "--me", "alice", "--auto"))
		w.becomes("gateway", "bob", api.PeerFriend)
		w.Cleanup(func() {
			w.must("gateway", "tunic", "forget", "bob", "--yes")
			w.must("friend", "tunic", "forget", "alice", "--yes")
		})
	}
	mark := w.wan.MustMark(w)
	near := w.yggdrasil("nas", "tcp://"+nas4+":9001")
	w.must("gateway", "tunic", "publish", "mesh", "--as", "yggdrasil", nas4, "--client", "bob")
	w.Cleanup(func() { w.must("gateway", "tunic", "unpublish", "mesh") })
	w.eventually("the friend's laptop finds the node", time.Minute, func() bool { // yggdrasil tries again after a minute only
		return w.exec("friend-laptop", "nc", "-z", "-w", "20", "mesh.alice.peer.home.arpa", "9001").Code == 0
	})
	far := w.yggdrasil("friend-laptop", "", "tcp://mesh.alice.peer.home.arpa:9001")
	begin := time.Now()
	w.run("over a friend's onion", func(w *world) { overAnOnion(w, near, far) })
	w.timed("the mesh between two houses", time.Since(begin))
	box := w.yggdrasil("gateway", "", "tcp://"+nas4+":9001")
	w.run("refused as a whole", meshAsAWhole)
	w.run("up later", func(w *world) { meshUpLater(w, box, near) })
	w.run("named", func(w *world) { meshNamed(w, box, near, far) })
	w.endProcess(box.Process)
	w.run("behind a device", behindADevice)
	w.leftOnly(mark, "ip or ip6")
}

// overAnOnion: what passes no Tor passes a mesh whose one link goes by an onion.
func overAnOnion(w *world, near, far *meshNode) {
	w.timed("the first ping", w.eventually("the nas answers in the mesh", 2*time.Minute, func() bool {
		return w.exec(far.node, "ping", "-6", "-c", "1", "-W", "3", near.address).Code == 0
	}))
	w.Logf("%s", w.exec(far.node, "ping", "-6", "-q", "-c", "5", "-i", "0.3", "-W", "3", near.address).Stdout)
	echo, err := w.lab.Start(near.node, "mesh-echo", "socat", "UDP6-RECVFROM:4000,fork", "EXEC:cat")
	if err != nil {
		w.Fatal(err)
	}
	defer w.endProcess(echo)
	w.eventually("UDP answers in the mesh", 20*time.Second, func() bool {
		return w.exec(far.node, "sh", "-c", "echo datagram | timeout 4 socat -t3 - UDP6:["+near.address+"]:4000").Stdout == "datagram\n"
	})
}

// meshHousehold gives the household the mesh's interface, and prefixes.
func (w *world) meshHousehold(prefixes ...string) (undo func()) {
	w.Helper()
	return w.configured(func(s string) string {
		line := `["br-lan", "` + meshLink + `"]`
		if len(prefixes) > 0 {
			line += fmt.Sprintf("\nprefixes = [\"%s\"]", strings.Join(prefixes, `", "`))
		}
		return strings.Replace(s, `["br-lan"]`, line, 1)
	})
}

// meshAsAWhole: the whole mesh is nobody's household, and saying so changes nothing.
func meshAsAWhole(w *world) {
	defer w.meshHousehold()()
	for _, verb := range []string{"check", "plan", "reload"} {
		if r := w.exec("gateway", "tunic", verb); r.Code != 2 || !strings.Contains(r.Stderr, "200::/7 on the household interface ygg0") {
			w.Errorf("tunic %s: status %d, %s", verb, r.Code, r.Stderr)
		}
	}
	w.throughTor("phone")
}

// throughTor has a device fetch, by what it is given for curl.
func (w *world) throughTor(node string, more ...string) {
	w.Helper()
	seen := ""
	w.eventually("the web is reached through Tor from "+node, 40*time.Second, func() (ok bool) {
		seen, ok = w.curl(node, 10, append(more, "http://"+web4+"/ip")...)
		return ok
	})
	if !house.IsExit(seen) {
		w.Errorf("%s: the web sees %q", node, seen)
	}
}

// meshUpLater: a mesh that comes up while the house is open closes nothing, and lets
// nobody in, also not to the box's own ports.
func meshUpLater(w *world, box, near *meshNode) {
	ln, err := w.gateway.Listen(w.ctx, ":"+ownPort)
	if err != nil {
		w.Fatal(err)
	}
	defer ln.Close()
	go accept(ln)
	w.endProcess(box.Process)
	defer w.meshHousehold()()
	w.must("gateway", "tunic", "reload")
	box.start(w)
	w.finds(health.NetworkUnfit, meshLink, "200::/7")
	w.throughTor("phone")
	w.eventually("the box is in the mesh", time.Minute, func() bool { // by a link to the nas: it answers no ping
		return w.exec("nas", "ss", "-Htn", "state", "established", "sport", "=", ":9001", "dst", box4).Stdout != ""
	})
	w.pause(2 * time.Second) // until the mesh knows the way
	if answers := w.meshAnswers(near, box); len(answers) > 0 {
		w.Errorf("a stranger of the mesh gets at the box: %q", answers)
	}
}

// meshAnswers is what a node of the mesh gets of the box at its address there.
func (w *world) meshAnswers(from, box *meshNode) (answers []string) {
	w.Helper()
	for what, command := range map[string]string{
		"names":           "dig +time=4 +tries=1 +short @" + box.address + " web.example | grep -v '^;' | grep .",
		"SOCKS":           "curl -sS -g -m 15 -x socks5h://[" + box.address + "]:9050 http://" + web4 + "/ip",
		"a port of its":   "nc -6 -z -w 4 " + box.address + " " + ownPort,
		"the box's page":  "curl -sS -g -m 8 -o /dev/null http://[" + box.address + "]/",
		"a port of tor's": "nc -6 -z -w 4 " + box.address + " 9240",
	} {
		if w.exec(from.node, "sh", "-c", command).Code == 0 {
			answers = append(answers, what)
		}
	}
	return answers
}

// meshNamed: who is named has the box's services, in this house and from another one by
// an onion; the others in the mesh have none.
func meshNamed(w *world, box, near, far *meshNode) {
	ln, err := w.gateway.Listen(w.ctx, ":"+ownPort)
	if err != nil {
		w.Fatal(err)
	}
	defer ln.Close()
	go accept(ln)
	for _, c := range []struct{ named, stranger *meshNode }{{near, far}, {far, near}} {
		undo := w.meshHousehold(c.named.address + "/128")
		w.must("gateway", "tunic", "reload")
		w.ready()
		w.timed("the box answers "+c.named.node, w.eventually("the box answers in the mesh", 90*time.Second, func() bool {
			return len(w.meshAnswers(c.named, box)) == 4 // all but tor's own
		}))
		if answers := w.meshAnswers(c.stranger, box); len(answers) > 0 {
			w.Errorf("%s, a stranger of the mesh, gets at the box: %q", c.stranger.node, answers)
		}
		w.throughTor(c.named.node, "-x", "socks5h://["+box.address+"]:9050")
		undo()
	}
}

// behindADevice: a network behind the laptop goes through Tor once it is named; the
// network beside it does not, and until then why says what to write.
func behindADevice(w *world) {
	for _, a := range []string{behind4, strange4} {
		w.must("laptop", "ip", "addr", "add", a+"/32", "dev", "lo")
		defer w.must("laptop", "ip", "addr", "del", a+"/32", "dev", "lo")
	}
	w.must("gateway", "ip", "route", "add", behindNet, "via", laptop4)
	defer w.must("gateway", "ip", "route", "del", behindNet)
	w.finds(health.NetworkUnnamed, behindNet)
	if r := w.exec("gateway", "tunic", "why", behind4); r.Code != 2 || !strings.Contains(r.Stderr, `prefixes = ["`+behindNet+`"]`) {
		w.Errorf("tunic why: status %d, %s", r.Code, r.Stderr)
	}
	sends := func(from string) bool {
		if err := w.laptop.Send(raw(datagrams(from, web4, 443, 123, 9999))...); err != nil {
			w.Error(err)
		}
		_, ok := w.curl("laptop", 6, "--interface", from, "http://"+web4+"/ip")
		return ok
	}
	if sends(behind4) || sends(strange4) {
		w.Error("a network that nobody has named reaches the web")
	}
	undo := w.configured(replaced(`["br-lan"]`, "[\"br-lan\"]\nprefixes = [\""+behindNet+"\"]"))
	defer undo()
	w.must("gateway", "tunic", "reload")
	w.ready()
	w.throughTor("laptop", "--interface", behind4)
	if sends(strange4) {
		w.Error("the network beside the one that is named reaches the web")
	}
	said := w.must("gateway", "tunic", "why", behind4)
	if !strings.Contains(said, behind4+" behind ") || !strings.Contains(said, "through Tor") {
		w.Errorf("tunic why: %s", said)
	}
}
