package onion

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Stream is what tor says of one incoming stream in the PROXY line of
// HiddenServiceExportCircuitID haproxy (tor(1)).
type Stream struct {
	// Circuit is the low half of tor's global identifier of the rendezvous
	// circuit. It is a limit, not an identity: it is valid for one tor
	// process, and a visitor gets a new one at will.
	Circuit uint32
	// Port is the virtual port that the visitor dialled.
	Port uint16

	early string // what the visitor has said and was taken with the line
}

// maxProxyLine is the longest version 1 line (PROXY protocol specification,
// section 2.1: 107 characters and a NUL).
const maxProxyLine = 108

var errProxyLine = errors.New("tor sent no valid PROXY line")

// parseProxyLine reads "PROXY TCP6 fc00:dead:beef:4dad::0:11a ::1 282 80\r\n".
func parseProxyLine(line []byte) (Stream, error) {
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return Stream{}, errProxyLine
	}
	f := strings.Split(text, " ")
	if len(f) != 6 || f[0] != "PROXY" || f[1] != "TCP6" {
		return Stream{}, errProxyLine
	}
	src, err := netip.ParseAddr(f[2])
	if err != nil || !src.Is6() || src.Zone() != "" {
		return Stream{}, errProxyLine
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil || port == 0 {
		return Stream{}, errProxyLine
	}
	raw := src.As16()
	return Stream{Circuit: binary.BigEndian.Uint32(raw[12:]), Port: uint16(port)}, nil
}

// earlyBytes is how much of what a visitor says is taken with tor's line, at most: most
// requests are shorter.
const earlyBytes = 1 << 10

// readProxyLine takes the PROXY line off c, exactly, so that what follows can be moved by
// the kernel; if early says so of the stream, what has come behind it is taken too, which is
// a system call fewer. The caller sets the deadline.
func readProxyLine(c *net.UnixConn, early func(Stream) bool) (Stream, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Stream{}, err
	}
	buf := make([]byte, maxProxyLine+earlyBytes)
	var length, all int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		length, all, failed = peekLine(int(fd), buf)
		return length > 0 || failed != nil
	})
	if err := errors.Join(err, failed); err != nil {
		return Stream{}, fmt.Errorf("reading tor's PROXY line: %w", err)
	}
	s, err := parseProxyLine(buf[:length])
	take := length
	if err == nil && early(s) {
		take = all
	}
	if _, err := c.Read(buf[:take]); err != nil {
		return Stream{}, fmt.Errorf("reading tor's PROXY line: %w", err)
	}
	s.early = string(buf[length:take])
	return s, err
}

// peekLine returns the length of the first line, its end included, and of all that is there,
// without taking it; 0 means that more must come first.
func peekLine(fd int, buf []byte) (line, all int, err error) {
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_PEEK)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	case n == 0:
		return 0, 0, errProxyLine
	}
	if i := bytes.IndexByte(buf[:min(n, maxProxyLine)], '\n'); i >= 0 {
		return i + 1, n, nil
	}
	if n >= maxProxyLine {
		return 0, 0, errProxyLine
	}
	return 0, 0, nil
}
