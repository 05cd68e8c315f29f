//go:build lab

package lab

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/internal/bench"
)

// BenchmarkStart measures a start of the box, with 1, 10 and 50 onions, as after the second
// boot (tor knows the network and its guards): until the household is protected, until it is open,
// until all onions are published. In turns with it a bare tor starts with the torrc that tunic's tor had in
// the end, on the same gateway and in the same directories.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct{ onions, rounds int }{{1, 7}, {10, 5}, {50, 1}} {
		b.Run(strconv.Itoa(c.onions), func(b *testing.B) { measureStart(b, c.onions, c.rounds) })
	}
}

func measureStart(b *testing.B, onions, rounds int) {
	ctx, l := measured(b, 8*time.Minute, Options{ID: "start"}, buildTunic)
	s := &starts{B: b, ctx: ctx, lab: l, paths: config.NewPaths(l.Root("gateway")), onions: onions,
		seen: map[string]map[string][]float64{"protected": {}, "ready": {}, "published": {}}}
	if err := os.Remove(filepath.Join(s.paths.OnionDir(), "home.toml")); err != nil {
		b.Fatal(err)
	}
	restful{b, ctx, l, houseSize{onions: onions}}.furnish()
	for range rounds + 1 {
		s.tunic()
		s.bare()
	}
	for _, by := range s.seen {
		for name := range by {
			by[name] = by[name][1:] // the first round makes keys, and learns the network
		}
	}
	say := func(what string) string { return fmt.Sprintf("start, %d onions: %s", onions, what) }
	bench.Report(b, bench.Against(say("protected"), "ms", bench.Less, 1000, s.seen["protected"]["tunic"]), s.seen["protected"])
	bench.Report(b, bench.Compare(say("ready"), "ms", bench.Less, 1/1.1, s.seen["ready"], "bare tor"), s.seen["ready"])
	var later []float64
	for i, ms := range s.seen["ready"]["tunic"] {
		later = append(later, ms-s.seen["ready"]["bare tor"][i])
	}
	bench.Report(b, bench.Against(say("ready, later than a bare tor"), "ms", bench.Less, 1000, later), nil)
	bench.Report(b, bench.Compare(say("published"), "ms", bench.Less, 1/1.1, s.seen["published"], "bare tor"), s.seen["published"])
	b.ReportMetric(0, "ns/op")
}

// starts are those of one house.
type starts struct {
	*testing.B
	ctx    context.Context
	lab    *Lab
	paths  config.Paths
	onions int
	torrc  string // of tunic's tor, in the end
	seen   map[string]map[string][]float64
}

func (s *starts) saw(what, who string, since time.Time) {
	s.seen[what][who] = append(s.seen[what][who], time.Since(since).Seconds()*1000)
	s.Logf("%s: %s after %v", who, what, time.Since(since).Round(time.Millisecond))
}

// tunic starts the daemon on a gateway without rules, as after a boot, and stops it.
func (s *starts) tunic() {
	s.Helper()
	for _, tables := range []string{"iptables", "ip6tables"} {
		for _, table := range []string{"filter", "nat", "mangle", "raw"} {
			mustExec(s, s.ctx, s.lab, "gateway", tables, "-t", table, "-F")
		}
	}
	s.forgetSocket()
	begin := time.Now()
	p, err := s.lab.StartDaemon("gateway")
	if err != nil {
		s.Fatal(err)
	}
	for _, tables := range []string{"iptables", "ip6tables"} {
		for !strings.Contains(mustExec(s, s.ctx, s.lab, "gateway", tables, "-S", "FORWARD"), "-j TUNIC") {
			time.Sleep(5 * time.Millisecond)
		}
	}
	s.saw("protected", "tunic", begin)
	tor := s.control()
	open := make(chan time.Time, 1)
	go func() { open <- s.opened(begin) }()
	tor.untilPublished(s.onions)
	s.saw("published", "tunic", begin)
	select {
	case at := <-open:
		s.seen["ready"]["tunic"] = append(s.seen["ready"]["tunic"], at.Sub(begin).Seconds()*1000)
	case <-time.After(30 * time.Second):
		s.Fatal("the household did not open")
	}
	s.torrc = tor.config()
	tor.close()
	if err := end(s.ctx, []Process{p}, 20*time.Second); err != nil {
		s.Fatal(err)
	}
}

// opened waits until the daemon's log says that the household is open, and returns when.
func (s *starts) opened(after time.Time) time.Time {
	line := regexp.MustCompile(`(?m)^time=(\S+) .*the household is open`)
	for range 1200 {
		text, err := os.ReadFile(s.lab.LogFile(daemonName("gateway")))
		if err != nil {
			return time.Time{}
		}
		for _, found := range line.FindAllStringSubmatch(string(text), -1) {
			if at, err := time.Parse(time.RFC3339Nano, found[1]); err == nil && at.After(after) {
				return at
			}
		}
		time.Sleep(pollInterval)
	}
	return time.Time{}
}

// bare starts a tor with the same torrc, and stops it.
func (s *starts) bare() {
	s.Helper()
	file := filepath.Join(s.lab.Dir(), "same.torrc")
	if err := os.WriteFile(file, []byte(s.torrc), 0o644); err != nil {
		s.Fatal(err)
	}
	if err := os.MkdirAll(s.paths.TorRun(), 0o700); err != nil {
		s.Fatal(err)
	}
	if err := chownTree(s.paths.TorRun(), config.TorUser); err != nil {
		s.Fatal(err)
	}
	s.forgetSocket()
	begin := time.Now()
	p, err := s.lab.Start("gateway", "same", "setpriv", "--reuid="+config.TorUser, "--regid="+config.TorUser, "--clear-groups",
		"tor", "-f", file, "--defaults-torrc", "/dev/null")
	if err != nil {
		s.Fatal(err)
	}
	tor := s.control()
	tor.untilReady()
	s.saw("ready", "bare tor", begin)
	tor.untilPublished(s.onions)
	s.saw("published", "bare tor", begin)
	tor.close()
	if err := end(s.ctx, []Process{p}, 20*time.Second); err != nil {
		s.Fatal(err)
	}
}

// forgetSocket removes what a tor before left, so that the next one's is known by being there.
func (s *starts) forgetSocket() {
	for _, name := range []string{"control.sock", "control.cookie"} {
		if err := os.Remove(filepath.Join(s.paths.TorRun(), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Fatal(err)
		}
	}
}

// patience is how long a start may take; a bare tor with 50 onions has stopped to answer by then.
const patience = time.Minute

// torEvents are those of a tor that has just started.
type torEvents struct {
	s     *starts
	limit time.Time
	conn  net.Conn
	lines *bufio.Reader

	ready bool
	sent  map[string]map[string]bool // by onion: its descriptors that were sent
	asked map[string]int             // by onion: how many directories were sent one
	taken map[string]int             // and how many took it
}

// control waits for the control socket of a tor that starts and asks for its events.
func (s *starts) control() *torEvents {
	s.Helper()
	e := &torEvents{s: s, limit: time.Now().Add(patience),
		sent: make(map[string]map[string]bool), asked: make(map[string]int), taken: make(map[string]int)}
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		cookie, err := os.ReadFile(filepath.Join(s.paths.TorRun(), "control.cookie"))
		if err == nil {
			e.conn, err = net.Dial("unix", filepath.Join(s.paths.TorRun(), "control.sock"))
		}
		if err == nil {
			e.lines = bufio.NewReader(e.conn)
			e.say("AUTHENTICATE " + hex.EncodeToString(cookie))
			e.say("SETEVENTS STATUS_CLIENT HS_DESC")
			e.say("GETINFO status/bootstrap-phase")
			return e
		}
		if time.Now().After(limit) {
			s.Fatalf("tor has no control socket: %v", err)
		}
	}
}

func (e *torEvents) say(line string) {
	if _, err := fmt.Fprintf(e.conn, "%s\r\n", line); err != nil {
		e.s.Fatal(err)
	}
}

// next reads one line, an event or an answer; "" when there is no time left.
func (e *torEvents) next() string {
	if err := e.conn.SetReadDeadline(e.limit); err != nil {
		e.s.Fatal(err)
	}
	line, err := e.lines.ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.s.Logf("after %v %d of %d onions are published; ready: %v", patience, e.published(), e.s.onions, e.ready)
		return ""
	}
	if err != nil {
		e.s.Fatal(err)
	}
	e.take(line)
	return strings.TrimSpace(line)
}

// take takes what a line says (control-spec, "STATUS_CLIENT", "HS_DESC").
func (e *torEvents) take(line string) {
	e.ready = e.ready || strings.Contains(line, "PROGRESS=100 ")
	f := strings.Fields(line)
	if len(f) < 6 || f[0] != "650" || f[1] != "HS_DESC" {
		return
	}
	switch onion := f[3]; f[2] {
	case "UPLOAD": // HS_DESC UPLOAD ADDRESS AUTH DIRECTORY DESCRIPTOR
		if e.sent[onion] == nil {
			e.sent[onion] = make(map[string]bool)
		}
		e.sent[onion][f[6]] = true
		e.asked[onion]++
	case "UPLOADED":
		e.taken[onion]++
	}
}

func (e *torEvents) untilReady() {
	for !e.ready && e.next() != "" {
	}
}

func (e *torEvents) untilPublished(n int) {
	for e.published() < n && e.next() != "" {
	}
}

// published counts the onions whose two descriptors are with half of their directories.
func (e *torEvents) published() (n int) {
	for onion, descriptors := range e.sent {
		if len(descriptors) >= 2 && 2*e.taken[onion] >= e.asked[onion] {
			n++
		}
	}
	return n
}

// config is the torrc that tor has now, without the line by which it ends with the daemon.
func (e *torEvents) config() string {
	e.say("GETINFO config-text")
	for line := e.next(); line != "250+config-text="; line = e.next() {
		if line == "" {
			e.s.Fatal("tor does not tell its configuration")
		}
	}
	var b strings.Builder
	for line := e.next(); line != "." && line != ""; line = e.next() {
		if !strings.HasPrefix(line, "__") {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func (e *torEvents) close() { e.conn.Close() }
