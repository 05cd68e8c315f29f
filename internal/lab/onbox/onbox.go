//go:build lab

// Package onbox runs one managed server of this machine as on a box, for the
// tests of what configures it.
package onbox

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/gateway/managed"
	"tunic/gateway/supervise"
)

// Confine is the first thing in a TestMain: the test binary is also what confines
// the servers that it starts (see supervise.Command).
func Confine() {
	if len(os.Args) > 1 && os.Args[1] == "confine" {
		panic(supervise.Confine(os.Args[2:]))
	}
}

// Place is where a server may be, and as whom.
type Place struct {
	Root     string // empty, and everybody may pass
	User     string
	UID, GID uint32
	Listen   netip.AddrPort // a free port of loopback
}

// NewPlace returns a place for a server that runs as a user of this machine; it
// is gone after the test.
func NewPlace(t testing.TB, name string) Place {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid) // they are numbers here
	gid, _ := strconv.Atoi(u.Gid)
	root, err := os.MkdirTemp("", name) // not below the test's own, which nobody else may pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return Place{root, name, uint32(uid), uint32(gid), netip.MustParseAddrPort(ln.Addr().String())}
}

// Manager returns one that has its servers confined and ends them after the test.
// A test that fails logs what they said.
func Manager(t testing.TB) *managed.Manager {
	m := managed.New(t.Context(), managed.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Changed: func() {},
		Confine: []string{"/proc/self/exe", "confine"}, Dial: new(net.Dialer).DialContext})
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range m.Status() {
				lines, _ := m.Tail(s.Name)
				t.Logf("%s says\n%s", s.Name, strings.Join(lines, "\n"))
			}
		}
		m.Stop()
	})
	return m
}

// Ready waits for a manager's only server to answer, as another process than pid.
func Ready(t testing.TB, m *managed.Manager, pid int) managed.Status {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		s := m.Status()
		if len(s) == 1 && s[0].Ready && s[0].PID != pid {
			return s[0]
		}
		if time.Now().After(limit) {
			t.Fatalf("it is not ready: %+v", s)
		}
	}
}
