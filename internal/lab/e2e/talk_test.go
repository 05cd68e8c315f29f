//go:build lab

package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
	"tunic/internal/proc"
)

// Times of chat between boxes.
const (
	chatLimit   = 60 * time.Second  // the first message between two boxes opens a stream over Tor
	returnLimit = 100 * time.Second // from the return of a box to all that waited for it
	kept        = 50                // messages for a box that is off
)

// testTalk has the users of two households chat with real clients.
func testTalk(w *world) {
	a, b := w.mailBoxes()
	w.talkers(a, b)
	w.memory(a)
	w.run("messages between users of two boxes", func(w *world) { messages(w, a, b) })
	w.run("encrypted messages", func(w *world) { omemo(w, a, b) })
	w.run("a room", func(w *world) { room(w, a, b) })
	w.run("a picture", func(w *world) { picture(w, a, b) })
	w.run("a channel", func(w *world) { channel(w, a, b) })
	if long {
		w.run("a visitor who floods", func(w *world) { floodChat(w, a) })
	}
	w.run("a box that is off", func(w *world) { boxIsOff(w, a, b) })
	w.run("servers killed", func(w *world) { serversKilled(w, a, b) })
	w.run("drill", func(w *world) { drill(w, a) })
	w.run("ports", func(w *world) { chatPorts(w, a) })
	w.run("logs tell nobody's words", func(w *world) { quietChat(w, a, b) })
}

// talkers sets chat up on both boxes, whose mail is set up.
func (w *world) talkers(boxes ...postBox) {
	w.Helper()
	for _, box := range boxes {
		p := config.NewPaths(w.lab.Root(box.node))
		w.write(filepath.Join(p.EndpointDir(), "xmpp.toml"), "")
		w.write(filepath.Join(p.EndpointDir(), "irc.toml"),
			"motd = \"be kind\"\n[[channel]]\nname = \"#home\"\ntopic = \"the kitchen table\"\n")
		w.must(box.node, "tunic", "reload")
		w.write(box.authority(w), w.must(box.node, "tunic", "ca")+"\n")
		w.Cleanup(func() {
			w.remove(filepath.Join(p.EndpointDir(), "xmpp.toml"))
			w.remove(filepath.Join(p.EndpointDir(), "irc.toml"))
			w.must(box.node, "tunic", "reload")
		})
	}
	for _, box := range boxes {
		w.timed("chat servers of "+box.node, w.serversReady(box))
	}
}

// memory logs what the chat and mail servers of a box take, with pages that
// several processes share counted once (PSS, proc_pid_smaps(5)).
func (w *world) memory(box postBox) {
	w.Helper()
	total := 0
	for _, user := range []string{"tunic-xmpp", "tunic-irc", "tunic-mail"} {
		kb := 0
		for _, pid := range strings.Fields(w.exec(box.node, "pgrep", "-u", user).Stdout) {
			if n, err := strconv.Atoi(pid); err == nil && w.inside(box.node, pid) {
				kb += int(proc.PSS(n) >> 10)
			}
		}
		w.Logf("memory of %s: %.1f MB PSS", user, float64(kb)/1024)
		total += kb
	}
	if total == 0 {
		w.Error("no server takes any memory")
	}
	w.Logf("memory of all three: %.1f MB PSS", float64(total)/1024)
}

// inside reports whether a process is on a node.
func (w *world) inside(node, pid string) bool {
	w.Helper()
	n, err := w.lab.Plan().Node(node)
	if err != nil {
		w.Fatal(err)
	}
	return slices.Contains(strings.Fields(w.must(lab.SwitchNode, "ip", "netns", "pids", n.Namespace)), pid)
}

// authority is the file with the certificate that a box's devices trust.
func (b postBox) authority(w *world) string { return filepath.Join(w.lab.Root(b.node), "ca.crt") }

// serversReady waits until the managed servers of a box answer.
func (w *world) serversReady(box postBox) time.Duration {
	w.Helper()
	return w.eventually("the servers of "+box.node+" run", time.Minute, func() bool {
		list := w.statusOf(box.node).Servers
		ready := 0
		for _, s := range list {
			if s.Ready {
				ready++
			}
		}
		return ready == 3
	})
}

// xmpp is a command line of a client for the box's user, who has no settings but
// the certificate.
func (b postBox) xmpp(w *world, args ...string) []string {
	return append([]string{"env", "SSL_CERT_FILE=" + b.authority(w), "SSL_CERT_DIR=/nonexistent",
		"go-sendxmpp", "-u", b.at(), "-p", mailPassword, "--timeout", "30"}, args...)
}

// listener is a client that prints what it gets.
type listener struct {
	lab.Process
	world *world
	name  string
}

func (w *world) listen(box postBox, name string, args ...string) *listener {
	w.Helper()
	p, err := w.lab.Start(box.laptop, name, box.xmpp(w, append([]string{"-l"}, args...)...)...)
	if err != nil {
		w.Fatal(err)
	}
	l := &listener{p, w, name}
	w.Cleanup(l.end)
	return l
}

func (l *listener) end() {
	if l.Alive() {
		_ = syscall.Kill(l.PID, syscall.SIGKILL)
	}
}

// heard lists the numbers of the messages that begin with a word, in their order.
func (l *listener) heard(word string) (numbers []int) {
	text, err := os.ReadFile(l.world.lab.LogFile(l.name))
	if err != nil {
		l.world.Fatal(err)
	}
	for _, m := range regexp.MustCompile(word+`-(\d+)\b`).FindAllSubmatch(text, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		numbers = append(numbers, n)
	}
	return numbers
}

// writes sends lines, each a message, to an address.
func (w *world) writes(from postBox, to string, word string, first, n int) {
	w.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "%s-%d\n", word, first+i)
	}
	cmd := strings.Join(quoteAll(from.xmpp(w, "-i", to)), " ")
	// as it calls the end
	if r := w.exec(from.laptop, "sh", "-c", "printf '%s' "+shellQuote(lines.String())+" | "+cmd); r.Code != 0 &&
		!strings.Contains(r.Stderr, "failed to read from stdin") {
		w.Fatalf("sending from %s: status %d, %s", from.node, r.Code, r.Stderr)
	}
}

func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellQuote(word)
	}
	return quoted
}

func firstNumbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func messages(w *world, a, b postBox) {
	atA, atB := w.listen(a, "chat-a"), w.listen(b, "chat-b")
	w.pause(2 * time.Second) // they log in
	for _, way := range []struct {
		from, to postBox
		at       *listener
	}{{a, b, atB}, {b, a, atA}, {a, b, atB}} {
		word := "hello" + way.from.user + strconv.Itoa(len(way.at.heard("hello"+way.from.user)))
		begin := time.Now()
		w.writes(way.from, way.to.at(), word, 0, 1)
		w.eventually("a message of "+way.from.user, chatLimit, func() bool { return len(way.at.heard(word)) > 0 })
		w.timed("a message from "+way.from.node, time.Since(begin))
	}
}

// room: members of both boxes; who is not there reads it later.
func room(w *world, a, b postBox) {
	name := "table@rooms." + a.domain()
	atA := w.listen(a, "room-a", "-c", "-a", "ann", name)
	w.pause(2 * time.Second)
	atB := w.listen(b, "room-b", "-c", "-a", "bob", name)
	w.pause(3 * time.Second)
	for i, from := range []postBox{a, b} {
		word := "room" + from.user
		if r := w.exec(from.laptop, "sh", "-c", "echo "+word+"-"+strconv.Itoa(i)+" | "+
			strings.Join(quoteAll(from.xmpp(w, "-c", "-a", from.user+"2", name)), " ")); r.Code != 0 {
			w.Errorf("%s in the room: status %d, %s", from.user, r.Code, r.Stderr)
		}
		for _, at := range []*listener{atA, atB} {
			w.eventually(word+" at "+at.name, chatLimit, func() bool { return slices.Equal(at.heard(word), []int{i}) })
		}
	}
}

// picture: 5 MB by file share, read in the other household over the onion.
func picture(w *world, a, b postBox) {
	atB := w.listen(b, "picture-b")
	data := make([]byte, 5_000_000)
	rand.Read(data)
	file := filepath.Join(w.lab.Root(a.node), "picture.jpg")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		w.Fatal(err)
	}
	defer w.remove(file)
	w.pause(2 * time.Second)
	begin := time.Now()
	if r := w.exec(a.laptop, a.xmpp(w, "-h", file, b.at())...); r.Code != 0 {
		w.Fatalf("sending a picture: status %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.timed("5 MB to the box", time.Since(begin))
	url := ""
	w.eventually("the address of the picture", chatLimit, func() bool {
		text, _ := os.ReadFile(w.lab.LogFile(atB.name))
		url = regexp.MustCompile(`https://\S+/picture\.jpg`).FindString(string(text))
		return url != ""
	})
	got := filepath.Join(w.lab.Root(b.node), "got.jpg")
	defer w.exec(b.node, "rm", "-f", got)
	asOnion := strings.Replace(url, a.domain(), a.key+".onion", 1)
	for _, c := range []struct {
		name string
		box  postBox
		args []string
	}{
		{"in household A", a, []string{"--cacert", a.authority(w), url}},
		{"in household B by IPv4", b, []string{"-4", "--cacert", b.authority(w), url}},
		{"in household B by IPv6", b, []string{"-6", "--cacert", b.authority(w), url}},
		{"by the onion's own name", b, []string{"--cacert", a.authority(w), "-H", "Host: " + a.domain(), asOnion}}, // passes unread
	} {
		begin = time.Now()
		w.eventually("the picture "+c.name, onionLimit, func() bool {
			r := w.exec(c.box.laptop, append([]string{"curl", "-sS", "-m", "60", "--capath", "/nonexistent", "-o", got}, c.args...)...)
			have, _ := os.ReadFile(got)
			os.Remove(got) // it is there if curl got that far
			return r.Code == 0 && bytes.Equal(have, data)
		})
		w.timed("the picture "+c.name, time.Since(begin))
	}
	wrong := w.exec(b.laptop, "curl", "-sS", "-m", "60", "--capath", "/nonexistent", "-o", got, "--cacert", b.authority(w), asOnion)
	if wrong.Code != 60 { // this certificate is not of this house
		w.Errorf("by the onion's own name, with the certificate of B: status %d, %s", wrong.Code, wrong.Stderr)
	}
}

// killServer kills a managed server with -9, and returns how many there were when the daemon has noticed that one
// ended: for a moment it still says that all of them are ready.
func (w *world) killServer(box postBox, name string) int {
	w.Helper()
	words := []string{name}
	switch name {
	case "prosody": // a program in Lua
		words = []string{"lua5.4", "-F"}
	case "dovecot":
		words = []string{name, "-F"}
	}
	before := w.restartsOf(box.node)
	n := w.signalOn(box.node, syscall.SIGKILL, words...)
	if n > 0 {
		w.eventually("the end of "+name+" is noticed", 30*time.Second, func() bool { return w.restartsOf(box.node) > before })
	}
	return n
}

// restartsOf is how often managed servers of a box have ended.
func (w *world) restartsOf(node string) (n int) {
	w.Helper()
	for _, s := range w.statusOf(node).Servers {
		n += s.Restarts
	}
	return n
}

// boxIsOff: messages to a box that is off arrive once, in order, when it is
// back, also if the sender's server is killed in between.
func boxIsOff(w *world, a, b postBox) {
	w.turnOff(b.node)
	w.writes(a, b.at(), "kept", 0, kept/2)
	w.pause(time.Second)
	if n := w.killServer(a, "prosody"); n != 1 {
		w.Errorf("%d Prosodys were killed", n)
	}
	w.serversReady(a)
	w.writes(a, b.at(), "kept", kept/2, kept-kept/2)
	begin := time.Now()
	w.turnOn(b.node)
	w.timed("the friend's box is ready again", time.Since(begin))
	w.serversReady(b)
	at := w.listen(b, "kept-b")
	w.eventually(fmt.Sprintf("all %d messages", kept), returnLimit, func() bool { return len(at.heard("kept")) >= kept })
	w.timed("return of the box to all messages", time.Since(begin))
	w.pause(3 * time.Second) // for what might come twice
	if got := at.heard("kept"); !slices.Equal(got, firstNumbers(kept)) {
		w.Errorf("the messages are %v", got)
	}
}

// serversKilled: kill -9 again and again; the servers come back, and every
// message that was sent arrives once.
func serversKilled(w *world, a, b postBox) {
	const kills = 20
	names := []string{"prosody", "ngircd", "dovecot"}
	var killed []string // after which message, and how long after
	for i := range kills {
		w.writes(a, b.at(), "chaos", i, 1)
		box, name := []postBox{a, b}[mathrand.IntN(2)], names[mathrand.IntN(len(names))]
		after := mathrand.N(500 * time.Millisecond)
		killed = append(killed, fmt.Sprintf("%d+%s %s of %s", i, after.Round(time.Millisecond), name, box.node))
		w.pause(after)
		if n := w.killServer(box, name); n < 1 {
			w.Errorf("there is no %s on %s", name, box.node)
		}
		w.serversReady(box)
	}
	w.Logf("killed: %s", strings.Join(killed, ", "))
	at := w.listen(b, "chaos-b")
	defer func() { w.Logf("the messages: %v", at.heard("chaos")) }()
	w.eventually("all messages", returnLimit, func() bool { return len(at.heard("chaos")) >= kills })
	w.pause(2 * time.Second)
	if got := at.heard("chaos"); !slices.Equal(got, firstNumbers(kills)) {
		w.Errorf("the messages are %v", got)
	}
}

// chatPorts: who can reach which TCP port of the box, of all 65,535, in both
// families.
func chatPorts(w *world, a postBox) {
	household := []uint16{1, 53, 70, config.PagePort, config.PageTLSPort, 587, 993, 5222, 5281, 6667, 6697, 9050}
	for _, c := range []struct {
		name  string
		from  traffic.Host
		hosts []string
		want  []uint16
	}{
		{"laptop", w.laptop, []string{box4, box6}, household},
		{"internet", w.internet, []string{wan4, wan6}, nil},
	} {
		for _, host := range c.hosts {
			begin := time.Now()
			got, err := c.from.Scan(addr(host))
			w.timed("65,535 ports of "+host+" from "+c.name, time.Since(begin))
			if err != nil || !slices.Equal(got, c.want) {
				w.Errorf("%s reaches the ports %v of %s, want %v (%v)", c.name, got, host, c.want, err)
			}
		}
	}
	for _, line := range strings.Split(w.must(a.node, "ss", "-Hltnp"), "\n") {
		for _, program := range []string{"lua", "prosody", "ngircd", "dovecot"} {
			fields := strings.Fields(line)
			if strings.Contains(line, `"`+program) {
				if at, err := netip.ParseAddrPort(fields[3]); err != nil || !at.Addr().IsLoopback() {
					w.Errorf("%s listens at %s", program, fields[3])
				}
			}
		}
	}
}

// quietChat: nothing on the disk tells who spoke with whom, but the archives.
func quietChat(w *world, a, b postBox) {
	log, err := os.ReadFile(w.lab.LogFile("tunic-" + a.node))
	if err != nil {
		w.Fatal(err)
	}
	for _, word := range []string{a.user + "@", b.key, "hello-from", "kept-"} {
		if bytes.Contains(log, []byte(word)) {
			w.Errorf("the log has %q in it", word)
		}
	}
}
