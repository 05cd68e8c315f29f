package tor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/device"
	"tunic/gateway/fair"
)

// DeviceStreams is how many connections through TransPort a device may have at a
// time. A browser has up to some hundred, and what shares files as many again; tor
// has 65536 descriptors (systemd/tunic.service), of which each takes one.
const DeviceStreams = 1024

// crowdStreams is how many all devices may have: for one more the device that has
// the most loses its oldest.
const crowdStreams = 8192

// DeviceAddresses is with how many of its addresses a device may have connections at
// a time. tor builds circuits for each of them, 32 at once for everybody
// (MaxClientCircuitsPending). Programs use one address of each family; the hosts
// behind another router are one device.
const DeviceAddresses = 32

// A device that has been refused gets no more at all, by the rules, for at least
// fullFor, and until it has half of what it may have. At a time that is so for
// fullMost devices; what others have too many of is ended one by one.
const (
	fullFor  = 10 * time.Second
	fullMost = 16
)

// crowd divides TransPort among devices by tor's own events, which come in any case.
// The rules bound what one address has, and a device has as many as it likes.
type crowd struct {
	table   *device.Table
	changed func() // called without the lock held, when other devices are full

	mu      sync.Mutex
	share   *fair.Share[device.Key]
	streams map[string]*crowdStream // by number, those that have a place
	devices map[device.Key]*crowdDevice

	ends []string      // streams that have to end
	more chan struct{} // holds one when ends does
}

// crowdStream is a device's connection.
type crowdStream struct {
	device device.Key
	from   netip.Addr
	leave  func()
}

// crowdDevice is a device that has connections, or is full.
type crowdDevice struct {
	streams   int
	addresses map[netip.Addr]int // how many by each
	full      time.Time          // since when; zero: it is not
}

func newCrowd(table *device.Table, changed func()) *crowd {
	c := &crowd{table: table, changed: changed, more: make(chan struct{}, 1)}
	c.reset()
	return c
}

// reset begins the life of a new process, whose numbers begin at 1 again.
func (c *crowd) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.share = fair.New[device.Key](DeviceStreams, crowdStreams)
	c.streams, c.devices, c.ends = make(map[string]*crowdStream), make(map[device.Key]*crowdDevice), nil
}

// fullDevices returns the MACs of devices that are full, sorted.
func (c *crowd) fullDevices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var macs []string
	for key, d := range c.devices {
		if !d.full.IsZero() {
			macs = append(macs, key.MAC())
		}
	}
	slices.Sort(macs)
	return macs
}

// event takes a STREAM event (control-spec, "STREAM"): STREAM ID STATUS CIRCUIT
// TARGET KEY=VALUE...
func (c *crowd) event(line string) {
	head := strings.SplitN(line, " ", 6)
	if len(head) < 5 || head[0] != "STREAM" {
		return
	}
	switch id, status := head[1], head[2]; status {
	case "NEW":
		if from, ok := transparent(head); ok {
			c.enter(id, from)
		}
	case "CLOSED", "FAILED":
		c.leave(id)
	}
}

// transparent returns where a new stream comes from, if it came by TransPort and
// not from the box itself.
func transparent(head []string) (netip.Addr, bool) {
	if len(head) < 6 || !strings.Contains(head[5], "CLIENT_PROTOCOL=TRANS") {
		return netip.Addr{}, false
	}
	return sourceOf(head)
}

// enter gives a new stream a place, or has it end, or another in its stead.
func (c *crowd) enter(id string, from netip.Addr) {
	if key := c.table.Of(from); !c.place(id, key, from) && c.fill(key) {
		c.changed()
	}
}

func (c *crowd) place(id string, key device.Key, from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[key]
	if d == nil {
		d = &crowdDevice{addresses: make(map[netip.Addr]int)}
		c.devices[key] = d
	}
	leave, ok := func() {}, d.addresses[from] > 0 || len(d.addresses) < DeviceAddresses
	if ok {
		leave, ok = c.share.Enter(key, func() { c.end(id) })
	}
	if !ok {
		c.end(id)
		c.forget(key, d)
		return false
	}
	d.streams++
	d.addresses[from]++
	c.streams[id] = &crowdStream{key, from, leave}
	return true
}

// fill notes that a device has all that it may have, and reports whether that is
// new. Devices that are known by their network alone have no rule.
func (c *crowd) fill(key device.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, full := c.devices[key], 0
	for _, other := range c.devices {
		if !other.full.IsZero() {
			full++
		}
	}
	if d == nil || !d.full.IsZero() || key.MAC() == "" || full >= fullMost {
		return false
	}
	d.full = time.Now()
	time.AfterFunc(fullFor, func() {
		if c.drain(key, d) {
			c.changed()
		}
	})
	return true
}

// drain reports whether a device is not full any more.
func (c *crowd) drain(key device.Key, d *crowdDevice) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.full.IsZero() || time.Since(d.full) < fullFor || d.streams > DeviceStreams/2 || len(d.addresses) > DeviceAddresses/2 {
		return false
	}
	d.full = time.Time{}
	c.forget(key, d)
	return true
}

func (c *crowd) leave(id string) {
	if key, d := c.remove(id); d != nil && c.drain(key, d) {
		c.changed()
	}
}

// remove takes a stream's place away and returns whose it was.
func (c *crowd) remove(id string) (device.Key, *crowdDevice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil {
		return "", nil
	}
	delete(c.streams, id)
	s.leave()
	d := c.devices[s.device]
	d.streams--
	if d.addresses[s.from]--; d.addresses[s.from] == 0 {
		delete(d.addresses, s.from)
	}
	c.forget(s.device, d)
	return s.device, d
}

// forget is called with mu held.
func (c *crowd) forget(key device.Key, d *crowdDevice) {
	if d.streams == 0 && d.full.IsZero() && c.devices[key] == d {
		delete(c.devices, key)
	}
}

// end is called with mu held.
func (c *crowd) end(id string) {
	c.ends = append(c.ends, id)
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *crowd) ended() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.ends
	c.ends = nil
	return ids
}

// endStreams ends what has no place, until ctx ends.
func (t *Tor) endStreams(ctx context.Context, s *session) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.crowd.more:
		}
		if err := s.endStreams(t.crowd.ended()); err != nil {
			t.log.Debug("connections that a device has too many of stay", "error", err)
		}
	}
}

// resourceLimit is tor-spec's REASON_RESOURCELIMIT of a RELAY_END cell.
const resourceLimit = "11"

// endStreams ends streams (control-spec, "CLOSESTREAM"). One that has ended by
// itself is no error.
func (s *session) endStreams(ids []string) (err error) {
	lines := make([]string, len(ids))
	for i, id := range ids {
		lines[i] = "CLOSESTREAM " + id + " " + resourceLimit
	}
	broken := s.commands.commandAll(lines, func(_ string, refused *RefusedError) {
		if refused.Code != 552 {
			err = refused
		}
	})
	return errors.Join(err, broken)
}
