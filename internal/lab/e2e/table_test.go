//go:build lab

package e2e

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"tunic/gateway/health"
)

// typist is somebody at a terminal.
type typist struct {
	world *world
	in    io.WriteCloser
	leave func()

	mu  sync.Mutex
	out bytes.Buffer
}

func (t *typist) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(p)
}

func (t *typist) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.out.String(), "\r", "")
}

// typist runs a program on a node, for somebody who types.
func (w *world) typist(node string, args ...string) *typist {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	cmd, err := w.lab.Command(ctx, node, args...)
	if err != nil {
		w.Fatal(err)
	}
	t := &typist{world: w}
	cmd.Stdout, cmd.Stderr = t, t
	if t.in, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.Fatal(err)
	}
	t.leave = sync.OnceFunc(func() { // as Ctrl-C does
		cancel()
		_ = cmd.Wait()
	})
	w.Cleanup(t.leave)
	return t
}

func (t *typist) types(text string) {
	t.world.Helper()
	if _, err := io.WriteString(t.in, text); err != nil {
		t.world.Errorf("typing %.20q: %v", text, err)
	}
}

// reads waits for a text on the terminal.
func (t *typist) reads(want string) {
	t.world.Helper()
	for end := time.Now().Add(serviceLimit); !strings.Contains(t.text(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.world.Fatalf("%q is not read, but %.2000q", want, t.text())
		}
	}
}

// atTable has a device of bob's house sit down for alice, with netcat alone.
func (w *world) atTable() *typist {
	w.Helper()
	bob := w.typist("friend-laptop", "nc", "alice.peer.home.arpa", "1")
	bob.types("talk\n")
	bob.reads("* You sit at the table for alice")
	return bob
}

// talkByTyping: bob has netcat and alice the verb; whoever comes first waits, and nothing
// that one of them sends steers the other's terminal, or fills it.
func talkByTyping(w *world) {
	bob := w.atTable()
	bob.reads("* alice's box says: nobody is at the table; the box tells its people that you called.")
	w.finds(health.FriendKnocked, "bob wanted to talk")
	begin := time.Now()
	alice := w.typist("gateway", "tunic", "chat", "bob")
	alice.reads("* bob is here")
	w.timed("from `tunic chat` to the friend who waits", time.Since(begin))
	bob.reads("* alice is here")
	if w.found(health.FriendKnocked) {
		w.Error("they talk, and the status says that bob wants to")
	}
	begin = time.Now()
	alice.types("hello \x1b]0;title\a\x1b[31mbob\n")
	bob.reads("alice: hello bob\n")
	w.timed("a line", time.Since(begin))
	bob.types("\x1b[2J\u202e\u009b31mhi\n* bob has left.\n")
	alice.reads("bob: hi\nbob: * bob has left.\n")
	second := w.typist("laptop", "nc", "box.home.arpa", "1")
	second.types("talk bob\n")
	second.reads("-somebody of this house sits at the table for bob already")
	alice.types(strings.Repeat("x", 50_000) + "\n" + strings.Repeat("buy\n", 1000))
	bob.reads("alice: xxx")
	time.Sleep(time.Second)
	lines := strings.Split(bob.text(), "\n")
	for _, line := range lines {
		if len(line) > 2010 || strings.HasPrefix(line, "x") {
			w.Errorf("%d bytes: %.20q", len(line), line)
		}
	}
	if len(lines) > 50 {
		w.Errorf("%d lines in a second", len(lines))
	}
	bob.types("enough\n")
	alice.reads("bob: enough")
	bob.leave()
	alice.reads("* bob has left.")
}

// searchHoles: the house's own hole asks that of a friend, for devices of the house alone.
func searchHoles(w *world) {
	ask := func(node, host string) string {
		return w.exec(node, "sh", "-c", `printf '/friends\twelcome\r\n' | timeout 40 nc -N `+host+" 70").Stdout
	}
	const want = "0alice: welcome.txt\t/welcome.txt\talice.peer.home.arpa\t70\r\n.\r\n"
	begin := time.Now()
	if said := ask("friend-laptop", "box.home.arpa"); said != want {
		w.Errorf("bob's house hears %q, want %q", said, want)
	}
	w.timed("a friend's hole searched", time.Since(begin))
	if said := ask("friend-laptop", "alice.peer.home.arpa"); said != "" && !strings.Contains(said, "not found") {
		w.Errorf("a friend searches alice's friends: %q", said)
	}
}
