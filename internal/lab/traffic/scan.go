package traffic

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// How a scan goes: so many ports at a time, each for so long. In the lab an
// answer takes a millisecond; a port that is dropped gives none.
const (
	scanBatch = 4096
	scanWait  = 250 * time.Millisecond
)

// Scan returns the TCP ports, of all 65,535, to which a connection came about.
func (h Host) Scan(to netip.Addr) (open []uint16, err error) {
	err = h.Do(func() error {
		for first := 1; first <= 65535; first += scanBatch {
			found, err := h.scan(to, first, min(first+scanBatch-1, 65535))
			if err != nil {
				return err
			}
			open = append(open, found...)
		}
		return nil
	})
	return open, err
}

// scan tries the ports from first to last at once.
func (h Host) scan(to netip.Addr, first, last int) (open []uint16, err error) {
	polled := make([]unix.PollFd, 0, last-first+1)
	ports := make(map[int32]uint16)
	defer func() {
		for _, p := range polled {
			unix.Close(int(p.Fd))
		}
	}()
	family := unix.AF_INET
	if to.Is6() {
		family = unix.AF_INET6
	}
	for port := first; port <= last; port++ {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("opening a socket: %w", err)
		}
		polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		ports[int32(fd)] = uint16(port)
		var sa unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: to.As16()}
		if to.Is4() {
			sa = &unix.SockaddrInet4{Port: port, Addr: to.As4()}
		}
		_ = unix.Connect(fd, sa) // how it ended, SO_ERROR says
	}
	time.Sleep(scanWait)
	if _, err := unix.Poll(polled, 0); err != nil {
		return nil, fmt.Errorf("waiting for connections: %w", err)
	}
	for _, p := range polled {
		if p.Revents&unix.POLLOUT == 0 {
			continue
		}
		if code, err := unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code == 0 &&
			p.Revents&unix.POLLHUP == 0 {
			open = append(open, ports[p.Fd])
		}
	}
	return open, nil
}
