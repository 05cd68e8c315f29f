package managed

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/supervise"
	"tunic/internal/native"
)

// The test binary is also the server that the tests run, and what confines it.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "confine":
			fmt.Println("confined")
			panic(supervise.Confine(os.Args[2:]))
		case "serve":
			serve(os.Args[2], os.Args[3])
			return
		case "version":
			fmt.Printf("Fake v%s (abc)\n", os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

// serve greets whoever says hello, and says what is in its file. It falls
// silent on SIGUSR1, and takes all the memory that it gets, up to a gigabyte,
// for whoever says feast.
func serve(addr, path string) {
	var mu sync.Mutex
	var greeting []byte
	read := func() {
		mu.Lock()
		defer mu.Unlock()
		greeting, _ = os.ReadFile(path)
	}
	read()
	time.Sleep(30 * time.Millisecond) // it catches no signal yet
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println("cannot listen:", err)
		os.Exit(7)
	}
	fmt.Println("Login: bob from 192.0.2.1")
	hup, usr := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(usr, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case <-hup:
				read()
			case <-usr:
				mu.Lock() // for ever
			}
		}
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			line, _ := bufio.NewReader(c).ReadString('\n')
			for eaten := 0; line == "feast\n" && eaten < 1<<30; eaten += 1 << 20 {
				// Not of Go's own heap, whose last words are longer than what is kept of them.
				if _, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
					fmt.Println("out of memory:", err)
					os.Exit(3)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(c, "hi %s%s\n", strings.TrimSpace(line), greeting)
		}()
	}
}

// house is a Manager with a server to run.
type house struct {
	*Manager
	t    *testing.T
	log  *strings.Builder
	mu   sync.Mutex
	spec Spec
}

// Write collects the daemon's log.
func (h *house) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func newHouse(t *testing.T) *house {
	t.Helper()
	native.Require(t)
	// On an address of this process's own, so that nobody takes the port before the server does.
	own := netip.AddrFrom4([4]byte{127, 64 | byte(os.Getpid()>>16)&63, byte(os.Getpid() >> 8), byte(os.Getpid())})
	ln, err := net.Listen("tcp", netip.AddrPortFrom(own, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(ln.Addr().String())
	ln.Close()
	dir := filepath.Join(t.TempDir(), "fake")
	h := &house{t: t, log: new(strings.Builder)}
	h.spec = Spec{Name: "fake", Program: os.Args[0], Package: "fake-server",
		Version: Versions{Args: []string{"version", "2.3.19"}, From: "2.3", Below: "2.4"},
		Args:    []string{"serve", addr.String(), dir + "/greeting"}, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Dir: dir,
		Work: dir + "/work",
		Files: []File{{Path: dir + "/greeting", Text: "one", Change: Reload}, {Path: dir + "/fixed", Text: "a", Change: Restart},
			{Path: dir + "/users", Text: "b", Change: Reread}},
		Stale: []string{dir + "/work/pid"}, Probe: Probe{Addr: addr, Send: "x\n", Expect: "hi x"}}
	h.Manager = New(t.Context(), Options{Log: slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Confine: []string{os.Args[0], "confine"}, Dial: new(net.Dialer).DialContext, Changed: func() {}})
	h.times = times{start: patience, startEvery: 10 * time.Millisecond, probeEvery: 50 * time.Millisecond,
		silent: 10 * time.Millisecond,
		probe:  patience, stop: 5 * time.Second, look: 10 * time.Millisecond, pause: time.Minute}
	t.Cleanup(func() { h.Stop() })
	return h
}

// patience is how long tests wait for what a busy machine may do late.
const patience = time.Minute

// wait waits until the server is as wanted, and returns how it is.
func (h *house) wait(what string, want func(Status) bool) Status {
	h.t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		list := h.Status()
		if len(list) == 1 && want(list[0]) {
			return list[0]
		}
		if time.Now().After(limit) {
			h.t.Fatalf("waiting until it %s: %+v", what, list)
		}
	}
}

func (h *house) ready() Status {
	h.t.Helper()
	return h.wait("is ready", func(s Status) bool { return s.Ready })
}

// says is what the server answers.
func (h *house) says() string {
	c, err := net.Dial("tcp", h.spec.Probe.Addr.String())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	fmt.Fprintln(c, "me ")
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// change applies a Spec that differs in some files.
func (h *house) change(texts ...string) {
	h.spec = h.spec.clone()
	for i, text := range texts {
		if text != "" {
			h.spec.Files[i].Text = text
		}
	}
	h.Apply([]Spec{h.spec})
}
