package splice

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller waits for all ways on which nothing moves.
type poller struct {
	file *os.File // of epoll(7); Go's own poller waits for it
	raw  syscall.RawConn
	fd   int

	mu   sync.Mutex
	ways []*way // by the number of what they read from
}

// waiting is the one that there is, once a Tie has started.
var waiting poller

var thePoller = sync.OnceValues(func() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("making what waits for streams: %w", err)
	}
	waiting.fd, waiting.file = fd, os.NewFile(uintptr(fd), "epoll")
	if waiting.raw, err = waiting.file.SyscallConn(); err != nil {
		return nil, err
	}
	go waiting.run()
	return &waiting, nil
})

// add is for an idle way.
func (p *poller) add(w *way) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.ways) <= w.from {
		p.ways = append(p.ways, nil)
	}
	p.ways[w.from] = w
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, w.from, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(w.from)})
}

// forget is for one that is idle no more. With still its socket lives on, so that epoll is
// told.
func (p *poller) forget(w *way, still bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ways[w.from] = nil
	if still {
		_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, w.from, nil) // it is there
	}
}

func (p *poller) at(fd int32) *way {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ways[fd]
}

// run looks after all ways, for as long as the process lives.
func (p *poller) run() {
	events, buf := make([]unix.EpollEvent, 128), make([]byte, littleBytes)
	for {
		n := 0
		_ = p.raw.Read(func(uintptr) bool { // nobody closes it
			n, _ = unix.EpollWait(p.fd, events, 0)
			return n > 0
		})
		for _, e := range events[:max(n, 0)] {
			// What was read for an earlier event may have ended this one, and its number
			// may belong to another by now, which then finds nothing to read.
			if w := p.at(e.Fd); w != nil {
				w.ready(buf)
			}
		}
	}
}
