// Package link carries the typed messages between the privileged parent and
// its unprivileged child serve, over one unix socketpair.
//
// The parent hands listeners over (as file descriptors). Beside that both ends
// ask each other: what there is to ask, and how much of it at a time, stands in
// verbs.go. A frame is an 8-byte header (kind, number of descriptors, length of
// the body) and a JSON body. Descriptors travel with the header (SCM_RIGHTS, unix(7)).
//
// Use it only for these two processes: it trusts the kernel for the identity
// of the other end, and bounds what the other end can make it allocate.
package link

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxBody bounds one message: 10,000 onion ports fit ten times.
const maxBody = 16 << 20

const headerLen = 8

// sendTime is how long the other end may take to take a message. Whoever does not would
// have all others wait who have something to say; the link is closed then.
const sendTime = 20 * time.Second

// ErrClosed is returned when the other end has gone away.
var ErrClosed = errors.New("the link is closed")

// Conn is one end of the link. Send may be called from several goroutines,
// Receive from one.
type Conn struct {
	c  *net.UnixConn
	mu sync.Mutex // one frame at a time

	patience time.Duration // sendTime, but in tests
}

// Pair returns the parent's end and the child's end as a file to be inherited.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making the socketpair to serve: %w", err)
	}
	child := os.NewFile(uintptr(fds[1]), "link-child")
	parent, err := FromFile(os.NewFile(uintptr(fds[0]), "link-parent"))
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	return parent, child, nil
}

// FromFile makes a Conn of an inherited descriptor and closes f.
func FromFile(f *os.File) (*Conn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("opening the link to the parent: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("opening the link to the parent: descriptor is a %T", c)
	}
	return &Conn{c: u, patience: sendTime}, nil
}

// Close ends the link; the other end's Receive returns ErrClosed.
func (c *Conn) Close() error { return c.c.Close() }

// Send writes one message with the descriptors of files. The files stay the
// caller's and may be closed when Send returns. The error is ErrClosed for an end that has gone
// away, or does not listen.
func (c *Conn) Send(m Message, files ...*os.File) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a %s message: %w", m.kind(), err)
	}
	if len(body) > maxBody {
		return fmt.Errorf("encoding a %s message: %d bytes are too many", m.kind(), len(body))
	}
	header := make([]byte, headerLen)
	header[0], header[1] = byte(m.kind()), byte(len(files))
	binary.BigEndian.PutUint32(header[4:], uint32(len(body)))
	var rights []byte
	if len(files) > 0 {
		fds, err := descriptors(files)
		if err != nil {
			return fmt.Errorf("sending a %s message: %w", m.kind(), err)
		}
		rights = unix.UnixRights(fds...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.c.SetWriteDeadline(time.Now().Add(c.patience))
	if err == nil {
		_, _, err = c.c.WriteMsgUnix(header, rights, nil)
	}
	if err == nil {
		_, err = c.c.Write(body)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded): // half a message may have been sent
		c.c.Close()
		return ErrClosed
	case gone(err):
		return ErrClosed
	}
	return fmt.Errorf("sending a %s message: %w", m.kind(), err)
}

// gone reports whether an error says that there is no other end any more.
func gone(err error) bool {
	for _, e := range []error{io.EOF, net.ErrClosed, unix.ECONNRESET, unix.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// descriptors does not use Fd, which would set the shared socket to blocking.
func descriptors(files []*os.File) ([]int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

// Receive waits for the next message. The returned files belong to the caller.
func (c *Conn) Receive() (Message, []*os.File, error) {
	header := make([]byte, headerLen)
	oob := make([]byte, unix.CmsgSpace(4*16))
	n, oobn, _, _, err := c.c.ReadMsgUnix(header, oob)
	if err != nil || n == 0 {
		if err == nil || gone(err) {
			return nil, nil, ErrClosed
		}
		return nil, nil, fmt.Errorf("receiving a message: %w", err)
	}
	files, err := parseRights(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	m, err := c.body(header, n, len(files))
	if err != nil {
		closeAll(files)
		return nil, nil, err
	}
	return m, files, nil
}

// body reads the rest of a frame of which n bytes of header are here.
func (c *Conn) body(header []byte, n, files int) (Message, error) {
	if _, err := io.ReadFull(c.c, header[n:]); err != nil {
		return nil, fmt.Errorf("receiving a message: %w", err)
	}
	if int(header[1]) != files {
		return nil, fmt.Errorf("receiving a message: %d descriptors came instead of %d", files, header[1])
	}
	size := binary.BigEndian.Uint32(header[4:])
	if size > maxBody {
		return nil, fmt.Errorf("receiving a message: %d bytes are too many", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.c, body); err != nil {
		return nil, fmt.Errorf("receiving a message: %w", err)
	}
	return decode(Kind(header[0]), body)
}

func parseRights(oob []byte) ([]*os.File, error) {
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receiving descriptors: %w", err)
	}
	var files []*os.File
	for i := range cmsgs {
		fds, err := unix.ParseUnixRights(&cmsgs[i])
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("receiving descriptors: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "listener"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
