package tor

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchange is one command that a fakeControl expects, and its answer.
type exchange struct {
	want  string // the command's first line
	reply string // lines without CRLF, joined by \n; "" to say nothing, "close" to hang up
}

// fakeControl is tor's side of control connections: strict about order, since
// that is what it is for. Each connection is authenticated without a cookie,
// then goes through its own list of exchanges; a command that is not the next
// one, or is left over, fails the test.
type fakeControl struct {
	t      *testing.T
	socket string
	served sync.WaitGroup

	mu  sync.Mutex
	log []string // all lines received after the authentication, body lines included
}

func newFakeControl(t *testing.T, connections ...[]exchange) *fakeControl {
	t.Helper()
	f := &fakeControl{t: t, socket: filepath.Join(t.TempDir(), "control.sock")}
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	login := []exchange{
		{"PROTOCOLINFO", "250-PROTOCOLINFO 1\n250-AUTH METHODS=NULL\n250-VERSION Tor=\"0.4.9.11\"\n250 OK"},
		{"AUTHENTICATE", "250 OK"},
	}
	f.served.Go(func() {
		for _, list := range connections {
			conn, err := ln.Accept()
			if err != nil {
				t.Errorf("fake tor: a connection is missing: %v", err)
				return
			}
			f.served.Go(func() { f.serve(conn, append(login, list...)) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		f.served.Wait()
	})
	return f
}

func (f *fakeControl) serve(conn net.Conn, list []exchange) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewScanner(conn)
	for i, e := range list {
		line, ok := f.next(in, i >= 2)
		if !ok || line != e.want {
			f.t.Errorf("fake tor: got %q, want %q", line, e.want)
			return
		}
		for body := strings.HasPrefix(line, "+"); body; body = line != "." {
			if line, ok = f.next(in, true); !ok {
				f.t.Errorf("fake tor: the text after %q has no end", e.want)
				return
			}
		}
		if e.reply == "close" {
			return
		}
		if e.reply != "" {
			fmt.Fprint(conn, strings.ReplaceAll(e.reply, "\n", "\r\n")+"\r\n")
		}
	}
	if line, ok := f.next(in, true); ok {
		f.t.Errorf("fake tor: got %q after the last command", line)
	}
}

func (f *fakeControl) next(in *bufio.Scanner, keep bool) (string, bool) {
	if !in.Scan() {
		return "", false
	}
	if keep {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.log = append(f.log, in.Text())
	}
	return in.Text(), true
}

func (f *fakeControl) received() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.log...)
}
