//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tunic/internal/lab"
)

// toxNodes is how many public nodes the lab's Tox has: a client's way to another leads over three.
const toxNodes = 4

// toxPort is the port of a node's relay, by TCP. A public node has UDP too.
const toxPort = 33445

// What a relay and its client say at first, in bytes (c-toxcore, TCP_common.h: TCP_SERVER_HANDSHAKE_SIZE and
// TCP_CLIENT_HANDSHAKE_SIZE). Who has no such key, or another one than the client has named, says nothing.
const (
	toxRelayHello  = 32 + 24 + 24 + 16
	toxClientHello = 32 + 24 + 32 + 24 + 16
)

// toxConfig makes a node, of its port and its directory.
const toxConfig = `port = %[1]d
keys_file_path = "%[2]s.keys"
pid_file_path = "%[2]s.pid"
enable_ipv6 = false
enable_ipv4_fallback = true
enable_lan_discovery = false
enable_tcp_relay = true
tcp_relay_ports = [%[1]d]
enable_motd = false
`

var (
	toxNodeKey = regexp.MustCompile(`Public Key: ([0-9A-F]{64})\n`)
	toxID      = regexp.MustCompile(`(?m)^[0-9A-F]{76}$`)
)

// toxNode runs tox-bootstrapd, and returns its key.
func (t *trial) toxNode(node, name string, port int, more string) (key string) {
	t.Helper()
	conf := t.file(name+".conf", fmt.Sprintf(toxConfig, port, filepath.Join(t.dir, name))+more)
	log := t.runs(node, "tox-bootstrapd", "--foreground", "--log-backend=stdout", "--config", conf)
	t.eventually("the node says its key", systemLimit, func() bool {
		text, _ := os.ReadFile(log)
		found := toxNodeKey.FindSubmatch(text)
		if found != nil {
			key = string(found[1])
		}
		return found != nil
	})
	return key
}

// toxNetwork runs public nodes in the internet, and writes the list of them that clients have.
func (t *trial) toxNetwork() {
	t.Helper()
	var list []string
	more := ""
	for i := range toxNodes {
		key := t.toxNode(lab.InternetNode, fmt.Sprintf("public-%d", i), toxPort+i, more)
		if i == 0 {
			more = fmt.Sprintf("bootstrap_nodes = ({ public_key = %q; port = %d; address = %q; })\n", key, toxPort, web4)
		}
		list = append(list, fmt.Sprintf(`{"ipv4":%q,"ipv6":"-","port":%d,"public_key":%q,"last_ping":%d}`,
			web4, toxPort+i, key, time.Now().Unix()))
	}
	t.file("nodes.json", `{"nodes":[`+strings.Join(list, ",")+`]}`)
}

// toxic opens the client of somebody who has never used it, and returns who they are.
func (t *trial) toxic(node, name string) (w *terminal, id string) {
	t.Helper()
	w = t.terminal(node, "XDG_CONFIG_HOME="+filepath.Join(t.dir, name)+" toxic -n "+filepath.Join(t.dir, "nodes.json"))
	w.shows("Would you like to encrypt it?")
	w.types("n")
	w.shows("Welcome to Toxic")
	w.types("/myid")
	w.eventually("the client's ID", systemLimit, func() bool { id = toxID.FindString(w.screen()); return id != "" })
	return w, id
}

// opens has the client open the window of its one friend.
func (w *terminal) opens() {
	w.Helper()
	w.must(w.node, "tmux", "-S", w.socket, "send-keys", "C-p")
	w.pause(time.Second)
	w.must(w.node, "tmux", "-S", w.socket, "send-keys", "Enter")
	w.shows("Logging for this window")
}

// tryTox: two people whom nothing but the public nodes has told of each other, and a relay of the house by the onion's name.
func tryTox(t *trial) {
	t.toxNetwork()
	relay := t.toxNode("nas", "relay", toxPort, "")
	ann, id := t.toxic("nas", "ann")
	bob, other := t.toxic("friend-laptop", "bob")
	t.does("toxic in both houses, which knows the public nodes and takes TCP by itself: a request, accepted, both online", func() {
		for _, w := range []*terminal{ann, bob} {
			w.eventually("the client is online", 2*systemLimit, func() bool { return !strings.Contains(w.screen(), "[Offline]") })
		}
		bob.types("/add " + id + ` "this is bob"`)
		ann.shows("Friend request with the message")
		ann.types("/accept 0")
		ann.shows("has come online")
		bob.shows("has come online")
	})
	t.refuses("a relay at home, by NAME, with another key than it has: `/connect NAME "+strconv.Itoa(toxPort)+" KEY`", func() {
		bob.types(fmt.Sprintf("/connect %s %d %s", svc, toxPort, other[:64]))
		for range 50 {
			if t.toxRelayed() {
				t.Fatal("the relay has answered")
			}
			t.pause(100 * time.Millisecond)
		}
	})
	t.does("the same with its key: relay and client have each other's keys", func() {
		bob.types(fmt.Sprintf("/connect %s %d %s", svc, toxPort, relay))
		t.eventually("the relay and the client have each other's keys", systemLimit, t.toxRelayed)
	})
	t.does("a message there, and one back", func() {
		bob.opens()
		bob.types("hello from bob")
		ann.opens()
		ann.shows("hello from bob")
		ann.types("hello from ann")
		bob.shows("hello from ann")
	})
}

// toxRelayed reports whether the relay on the nas has a client: it has answered the client's hello, and the client, which
// could read that, has gone on. It soon leaves, since it has relays enough.
func (t *trial) toxRelayed() bool {
	t.Helper()
	connections := t.must("nas", "ss", "-HtniO", "state", "connected", "sport", "=", strconv.Itoa(toxPort))
	for line := range strings.Lines(connections) {
		var sent, received int
		for _, word := range strings.Fields(line) {
			_, _ = fmt.Sscanf(word, "bytes_sent:%d", &sent)
			_, _ = fmt.Sscanf(word, "bytes_received:%d", &received)
		}
		if sent >= toxRelayHello && received > toxClientHello {
			return true
		}
	}
	return false
}
