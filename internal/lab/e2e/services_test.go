//go:build lab

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
)

// serviceLimit is how long a call of a friend's service may take, with a new circuit.
const serviceLimit = 45 * time.Second

// testServices: what a friend who is named may use, and nobody else.
func testServices(w *world) {
	if w.peer("friend", "alice").State != api.PeerFriend {
		w.must("friend", "tunic", "accept", w.must("gateway", "tunic", "invite", "bob", "--me", "alice", "--auto"))
		w.becomes("gateway", "bob", api.PeerFriend)
		w.Cleanup(func() {
			w.must("gateway", "tunic", "forget", "bob", "--yes")
			w.must("friend", "tunic", "forget", "alice", "--yes")
		})
	}
	w.offer("who", "--friend", "bob", "--port", "79", "--", "/bin/sh", "-c", `read q; echo "$TUNIC_FRIEND asks $q"`)
	w.offer("nas", "--friend", "bob", "--target", lab.NASOnionTarget)
	w.offer("stays", "--friend", "bob", "--", "/bin/sh", "-c",
		`setsid sh -c 'trap "" HUP TERM; exec <&- >&-; while :; do sleep 0.1; done' e2e-stays & while :; do echo up; sleep 0.2; done`)
	took := w.eventually("bob's box has heard of the services", pairLimit, func() bool {
		return len(w.peer("friend", "alice").Services) == 5
	})
	w.timed("a service to what the friend's box knows", took)
	w.run("a program without settings", stockClients)
	w.run("half-close", halfClose)
	w.run("files", sendFiles)
	w.run("talk by typing", talkByTyping)
	w.run("search friends' holes", searchHoles)
	w.run("everything ends with the connection", withTheConnection)
	w.run("a friend who is not named", notNamed)
	w.run("remove", removeService)
	w.run("ordinary programs", ordinaryPrograms)
}

// offer makes a service on alice's box until the part is over.
func (w *world) offer(name string, args ...string) {
	w.Helper()
	w.must("gateway", append([]string{"tunic", "service", "add", name}, args...)...)
	w.Cleanup(func() { w.exec("gateway", "tunic", "service", "remove", name) })
}

// says has a device of the friend's house say something to a port of alice's box.
func (w *world) says(port, text string) string {
	w.Helper()
	return w.exec("friend-laptop", "sh", "-c", "printf '"+text+"' | timeout 40 nc -N alice.peer.home.arpa "+port).Stdout
}

// stockClients: netcat speaks to the service's own port, and TCPMUX at port 1.
func stockClients(w *world) {
	w.timed("the first answer", w.eventually("the service answers", serviceLimit, func() bool {
		return w.says("79", "hello\\n") == "bob asks hello\n"
	}))
	begin := time.Now()
	if said := w.says("1", "who\\r\\nagain\\n"); said != "+who\r\nbob asks again\n" {
		w.Errorf("by its name: %q", said)
	}
	w.timed("the next one", time.Since(begin))
	if said := w.says("1", "HELP\\r\\n"); said != "nas\r\nstays\r\nwho\r\ndrop\r\ntalk\r\n" {
		w.Errorf("the list: %q", said)
	}
	if said := w.says("1", "nas\\r\\nGET / HTTP/1.0\\r\\n\\r\\n"); !strings.Contains(said, "This is the nas.") {
		w.Errorf("a server: %q", said)
	}
	var list []api.FriendService
	if err := json.Unmarshal([]byte(w.must("friend", "tunic", "services", "--json")), &list); err != nil ||
		!slices.ContainsFunc(list, func(s api.FriendService) bool { return s.By == "alice" && s.Name == "who" && s.Port == 79 }) {
		w.Errorf("what alice offers: %+v, %v", list, err)
	}
}

// halfClose: the answer comes after the end of what is said. (nc -N ends its direction
// as soon as it has said all.)
func halfClose(w *world) {
	w.must("gateway", "tunic", "service", "add", "count", "--friend", "bob", "--", "/usr/bin/wc", "-c")
	defer w.must("gateway", "tunic", "service", "remove", "count")
	w.must("gateway", "tunic", "service", "add", "fails", "--friend", "bob", "--", "/bin/sh", "-c", "echo said; exit 3")
	defer w.must("gateway", "tunic", "service", "remove", "fails")
	w.eventually("the answer after the end", serviceLimit, func() bool { return w.says("1", "count\\r\\n12345") == "+count\r\n5\n" })
	for _, one := range []struct {
		service, want string
		code          int
	}{{"count", "5\n", 0}, {"fails", "said\n", 1}, {"nothing", "", 1}} {
		begin := time.Now()
		r := w.exec("friend", "sh", "-c", "printf 12345 | tunic pipe alice "+one.service)
		if r.Stdout != one.want || r.Code != one.code {
			w.Errorf("tunic pipe alice %s: status %d, %q, %s", one.service, r.Code, r.Stdout, r.Stderr)
		}
		w.timed("tunic pipe alice "+one.service, time.Since(begin))
	}
}

// stays counts the processes of a command that wants to stay. They are in no node's
// network, so all of the machine are looked at.
func (w *world) stays() (n int) {
	w.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		w.Fatal(err)
	}
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "TUNIC_SERVICE=stays\x00") {
			n++
		}
	}
	return n
}

// commandEnded waits for the end of the command.
func (w *world) commandEnded(whose string) {
	w.Helper()
	took := w.eventually("the command has ended", 12*time.Second, func() bool { return w.stays() == 0 }) // they go by themselves after 20 s
	w.timed(whose+" end to that of the command", took)
}

// withTheConnection: what a command has left ends with its connection, and with serve and
// the daemon when those are killed.
func withTheConnection(w *world) {
	begin := func() {
		w.Helper()
		go w.lab.Exec(w.ctx, "friend-laptop", "sh", "-c", "(printf 'stays\\r\\n'; sleep 20) | timeout 20 nc alice.peer.home.arpa 1")
		w.eventually("the command runs", serviceLimit, func() bool { return w.stays() > 0 })
	}
	begin()
	w.signalOn("friend-laptop", syscall.SIGTERM, "nc", "alice.peer.home.arpa")
	w.commandEnded("the connection's")
	begin()
	w.signal(syscall.SIGKILL, "tunic", "serve")
	w.commandEnded("serve's")
	w.ready()
	if !long {
		return
	}
	begin()
	p, err := w.lab.Daemon("gateway")
	if err != nil {
		w.Fatal(err)
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		w.Fatal(err)
	}
	w.commandEnded("the daemon's")
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	if err := w.lab.WaitReady(w.ctx, "gateway", nil); err != nil {
		w.Fatal(err)
	}
}

// notNamed: a friend who is named no more hears what somebody hears who asks for what is
// not there, and no command is started.
func notNamed(w *world) {
	const no = "-there is no such service for you\r\n"
	w.eventually("the service that is not there", serviceLimit, func() bool { return w.says("1", "nothing\\r\\n") == no })
	path := config.NewPaths(w.lab.Root("gateway")).ServiceFile("who")
	text := w.must("gateway", "cat", path)
	w.write(path, strings.Replace(text, `["bob"]`, "[]", 1)+"\n")
	w.must("gateway", "tunic", "reload")
	if said := w.says("1", "who\\r\\n"); said != no {
		w.Errorf("a friend who is not named: %q", said)
	}
	w.write(path, text+"\n")
	w.must("gateway", "tunic", "reload")
}

// removeService: it is gone at once, also for who uses it.
func removeService(w *world) {
	go w.lab.Exec(w.ctx, "friend-laptop", "sh", "-c", "(printf 'stays\\r\\n'; sleep 20) | timeout 20 nc alice.peer.home.arpa 1")
	w.eventually("the command runs", serviceLimit, func() bool { return w.stays() > 0 })
	w.must("gateway", "tunic", "service", "remove", "stays")
	w.commandEnded("the service's")
}
