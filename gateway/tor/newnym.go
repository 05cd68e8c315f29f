package tor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errNotRunning is returned while no tor process answers.
var errNotRunning = errors.New("tor is not running, it is being started")

// NewNym tells tor to use no old circuit for new connections, of anybody
// (control-spec, "SIGNAL"). tor does so at most once in ten seconds; a signal
// in between is obeyed at the end of them. Open connections stay.
func (t *Tor) NewNym(context.Context) error {
	s := t.running()
	if s == nil {
		return errNotRunning
	}
	if _, err := s.commands.command("SIGNAL NEWNYM"); err != nil {
		return fmt.Errorf("asking tor for new circuits: %w", err)
	}
	return nil
}

// Forget closes the circuits that streams of these devices have used, and with
// them the streams, so that what the devices open next gets others. It returns
// how many. A circuit of which nobody knows that a device has used it, since
// this process did not see the stream begin, stays.
func (t *Tor) Forget(ctx context.Context, devices []netip.Addr) (int, error) {
	s := t.running()
	if s == nil {
		return 0, errNotRunning
	}
	s.events.pause.hasten() // a stream that began just now counts too
	lines, err := s.commands.getInfoLines("circuit-status")
	if err != nil {
		return 0, err
	}
	used := t.users.circuits(devices)
	if len(used) == 0 {
		return 0, nil
	}
	closed, err := s.closeCircuits(ctx, withTwins(used, lines), 0)
	if err != nil {
		return closed, err
	}
	t.users.forget(devices)
	return closed, nil
}

func (t *Tor) running() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// withTwins returns those of the used circuits that are there, by the lines of
// circuit-status, and those that carry the same streams: a conflux set has two
// legs, and to close one alone leaves the streams on the other (control-spec,
// "CIRC", CONFLUX_ID).
func withTwins(used map[string]bool, lines []string) []string {
	set := func(line string) string {
		words, err := splitWords(line)
		if err != nil {
			return ""
		}
		return keywords(words)["CONFLUX_ID"]
	}
	sets := make(map[string]bool)
	for _, line := range lines {
		if id, _, _ := strings.Cut(line, " "); used[id] && set(line) != "" {
			sets[set(line)] = true
		}
	}
	var ids []string
	for _, line := range lines {
		if id, _, _ := strings.Cut(line, " "); used[id] || sets[set(line)] {
			ids = append(ids, id)
		}
	}
	return ids
}

// users remembers which circuits each device's streams have used. tor itself
// tells a stream's source only when it is new.
type users struct {
	mu      sync.Mutex
	streams map[string]*userStream
	used    map[string]*usage // by circuit
}

// userStream is one that is open.
type userStream struct {
	device  netip.Addr
	circuit string // "" while it has none
}

// usage is who has used a circuit, and when last. It is one device but for
// circuits that tor may share.
type usage struct {
	devices []netip.Addr
	last    time.Time
}

// Bounds of what is remembered. tor uses a circuit for new streams for ten
// minutes (MaxCircuitDirtiness); beyond an hour only open streams keep one.
const (
	maxStreams  = 8192
	maxUsed     = 4096
	usedKept    = time.Hour
	noCircuit   = "0"
	socksSource = "SOCKS_USERNAME" // serve gives the device's address there
)

// event takes a STREAM event (control-spec, "STREAM"): STREAM ID STATUS
// CIRCUIT TARGET KEY=VALUE...
func (u *users) event(line string, now time.Time) {
	head := strings.SplitN(line, " ", 6)
	if len(head) < 5 || head[0] != "STREAM" {
		return
	}
	id, status, circuit := head[1], head[2], head[3]
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.streams == nil {
		u.streams, u.used = make(map[string]*userStream), make(map[string]*usage)
	}
	switch status {
	case "NEW", "NEWRESOLVE":
		if d, ok := sourceOf(head); ok && len(u.streams) < maxStreams {
			u.streams[id] = &userStream{device: d}
		}
	case "CLOSED", "FAILED":
		delete(u.streams, id)
		return
	}
	s := u.streams[id]
	if s == nil || circuit == noCircuit {
		return
	}
	s.circuit = circuit
	u.note(circuit, s.device, now)
}

// sourceOf returns the device that a new stream is of: the source address of
// transparent ones, and the name that serve gives to those of the SOCKS proxy.
func sourceOf(head []string) (netip.Addr, bool) {
	if len(head) < 6 {
		return netip.Addr{}, false
	}
	words, err := splitWords(head[5])
	if err != nil {
		return netip.Addr{}, false
	}
	args := keywords(words)
	source, err := parseSource(args["SOURCE_ADDR"])
	if err != nil {
		return netip.Addr{}, false
	}
	if d, err := netip.ParseAddr(args[socksSource]); err == nil && source.Addr().IsLoopback() {
		return d.Unmap(), true
	}
	d := source.Addr().Unmap().WithZone("")
	return d, !d.IsLoopback() // the box's own, and questions, which serve asks under a name of its own
}

// parseSource reads a SOURCE_ADDR. tor writes IPv6 addresses without brackets.
func parseSource(text string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.HasPrefix(text, "[") {
		return netip.ParseAddrPort(text)
	}
	addr, err := netip.ParseAddr(text[:i])
	port, portErr := strconv.ParseUint(text[i+1:], 10, 16)
	return netip.AddrPortFrom(addr, uint16(port)), errors.Join(err, portErr)
}

// note remembers that a device has used a circuit.
func (u *users) note(circuit string, device netip.Addr, now time.Time) {
	use := u.used[circuit]
	if use == nil {
		u.prune(now)
		use = &usage{}
		u.used[circuit] = use
	}
	use.last = now
	if !slices.Contains(use.devices, device) {
		use.devices = append(use.devices, device)
	}
}

// prune makes room: first what is old and has no stream, then the oldest.
func (u *users) prune(now time.Time) {
	if len(u.used) < maxUsed {
		return
	}
	open := make(map[string]bool)
	for _, s := range u.streams {
		open[s.circuit] = true
	}
	oldest := ""
	for id, use := range u.used {
		switch {
		case open[id]:
		case now.Sub(use.last) > usedKept:
			delete(u.used, id)
		case oldest == "" || use.last.Before(u.used[oldest].last):
			oldest = id
		}
	}
	if len(u.used) >= maxUsed {
		if oldest == "" { // each has a stream: any of them
			for id := range u.used {
				oldest = id
				break
			}
		}
		delete(u.used, oldest)
	}
}

// circuits returns those that one of the devices has used.
func (u *users) circuits(devices []netip.Addr) map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	found := make(map[string]bool)
	for id, use := range u.used {
		if slices.ContainsFunc(use.devices, func(d netip.Addr) bool { return slices.Contains(devices, d) }) {
			found[id] = true
		}
	}
	return found
}

func (u *users) forget(devices []netip.Addr) {
	used := u.circuits(devices)
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range used {
		delete(u.used, id)
	}
}

// reset begins the life of a new process, whose numbers begin at 1 again.
func (u *users) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.streams, u.used = nil, nil
}

// getInfoLines asks for a value of several lines.
func (c *controller) getInfoLines(key string) ([]string, error) {
	value, err := c.getInfo(key)
	if err != nil || value == "" {
		return nil, err
	}
	return strings.Split(strings.ReplaceAll(value, "\r\n", "\n"), "\n"), nil
}
