package tor

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/lull"
)

// eventPause is from one burst of events that is taken to the next, while they come often.
// tor tells of each stream, circuit and descriptor by itself: in a house with 50 onions the
// daemon was woken 300 times a second to look at a line or two. Nothing that is done upon an
// event is as urgent, but for who asks for all there is (hurry). A second would be too long: a
// device that comes with 300 addresses has tor build circuits for all of them until it is noticed.
const eventPause = 250 * time.Millisecond

// hurryTime is for how long nothing pauses after somebody has asked.
const hurryTime = time.Second

// pausing is a connection by which events come. A burst of them that comes by itself is
// read at once and costs one waking; of those that follow each other closely the second is
// too, and then there is a pause after each, in which the kernel gathers the next. Before
// rest is called, and for a while after hasten, nothing pauses.
type pausing struct {
	net.Conn
	resting atomic.Bool
	hurry   chan struct{} // holds one when somebody waits for what is there

	mu     sync.Mutex
	silent *lull.Reader // the connection after rest; nil: there is none
	timer  *lull.Timer  // of pauses; nil with silent
	ended  bool         // end was called

	// Of the goroutine that reads.
	full  bool      // the last read was cut off by its buffer: more is there
	burst time.Time // when the last burst was read
	close bool      // it came soon after the one before
	until time.Time // until when there is no pause
}

func newPausing(c net.Conn) *pausing { return &pausing{Conn: c, hurry: make(chan struct{}, 1)} }

// rest has the connection pause between bursts from now on. Nothing is written to it any
// more. Go's own waiting ends: it is woken by every event, also while nobody reads.
func (p *pausing) rest() {
	p.resting.Store(true)
	socket, ok := p.Conn.(*net.UnixConn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return // it is closed, as the next reading says
	}
	fd := -1
	err = raw.Control(func(from uintptr) { fd, _ = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || fd < 0 {
		return
	}
	silent, err := lull.New(fd)
	if err != nil {
		return // it wakes more often, and works
	}
	timer, err := lull.NewTimer()
	if err != nil {
		_ = silent.Close()
		return // the connection itself still is there
	}
	p.mu.Lock()
	p.silent, p.timer = silent, timer
	ended := p.ended
	p.mu.Unlock()
	_ = socket.Close() // which ends Go's waiting, and not the connection
	if ended {
		p.end()
	}
}

// end ends the connection, and with it a reading.
func (p *pausing) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.silent != nil {
		_, _ = p.silent.Close(), p.timer.Close() // again is no harm
	}
}

// read reads from the connection, before rest and after.
func (p *pausing) read(b []byte) (int, error) {
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	if silent != nil {
		return silent.Read(b)
	}
	return p.Conn.Read(b)
}

// hasten has what is there read now, and what comes within hurryTime at once.
func (p *pausing) hasten() {
	select {
	case p.hurry <- struct{}{}:
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Wake()
	}
}

// Read implements net.Conn.
func (p *pausing) Read(b []byte) (int, error) {
	if !p.full && p.resting.Load() {
		p.wait()
	}
	n, err := p.read(b)
	if !p.full {
		now := time.Now()
		p.close, p.burst = now.Sub(p.burst) < 2*eventPause, now
	}
	p.full = err == nil && n == len(b)
	return n, err
}

// wait waits until the pause after the last burst is over.
func (p *pausing) wait() {
	now := time.Now()
	if left := p.burst.Add(eventPause).Sub(now); p.close && left > 0 && now.After(p.until) {
		p.sleep(left)
	}
	select {
	case <-p.hurry:
		p.until = time.Now().Add(hurryTime)
	default:
	}
}

// sleep waits for some time, or until somebody hurries.
func (p *pausing) sleep(d time.Duration) {
	p.mu.Lock()
	timer := p.timer
	p.mu.Unlock()
	if timer != nil {
		_ = timer.Wait(d) // closed: the reading says so
		return
	}
	after := time.NewTimer(d)
	defer after.Stop()
	select {
	case <-after.C:
	case <-p.hurry:
		p.hasten() // it is there when the pause is over
	}
}
