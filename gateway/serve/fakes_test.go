package serve

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// dialed is a connection over a unix socket, as tor's SocksPort has, whose other end is handled
// by a fake.
func dialed(handle func(net.Conn)) (*net.UnixConn, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var ends [2]net.Conn
	for i, fd := range pair {
		f := os.NewFile(uintptr(fd), "")
		if ends[i], err = net.FileConn(f); err != nil {
			return nil, err
		}
		f.Close()
	}
	go func() {
		defer ends[1].Close()
		handle(ends[1])
	}()
	return ends[0].(*net.UnixConn), nil
}
