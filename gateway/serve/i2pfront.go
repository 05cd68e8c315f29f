package serve

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// frontsByI2P runs a front for each port at which an onion is published by I2P, and returns
// their names. Each has bounds of its own, so visitors by I2P shut out none by Tor.
func (a *application) frontsByI2P(want link.Front) (names []string) {
	if want.I2P == nil {
		return nil
	}
	for _, p := range want.I2P.Ports {
		i := slices.IndexFunc(want.Ports, func(o link.Port) bool { return o.Virtual == p.Virtual })
		if i < 0 {
			a.fail("onion %s has no port %d to be reached by I2P", want.Onion, p.Virtual)
			continue
		}
		by := want
		by.Onion, by.Host = fmt.Sprintf("%s by I2P, port %d", want.Onion, p.Virtual), want.I2P.Host
		by.Ports = want.Ports[i : i+1]
		f := a.front(by, uint32(os.Geteuid()))
		f.SetRoutes(a.ctx, a.routes(by))
		a.run(p.Listener, f.key, func(ctx context.Context, file *os.File) error {
			ln, err := a.listen(file)
			if err != nil {
				return err
			}
			return f.Serve(ctx, byI2P{ln, p.Virtual})
		})
		names = append(names, by.Onion)
	}
	return names
}

// byI2P is an onion.Listener of visitors whom i2pd brings: each becomes a stream as tor
// hands them over, with a number for the visitor where a circuit's would be.
type byI2P struct {
	*door
	port uint16
}

// AcceptUnix implements onion.Listener.
func (b byI2P) AcceptUnix() (*net.UnixConn, error) {
	c, err := b.Accept()
	if err != nil {
		return nil, err
	}
	front, outside, err := unixPair()
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("accepting a visitor by I2P: %w", err)
	}
	visitor := i2pVisitor(c)
	_, err = fmt.Fprintf(outside, "PROXY TCP6 %s ::1 %d %d\r\n", onion.CircuitAddr(visitor), uint16(visitor), b.port)
	if err != nil {
		err = errors.Join(err, c.Close(), front.Close(), outside.Close())
		return nil, fmt.Errorf("accepting a visitor by I2P: %w", err)
	}
	go join(c, outside) // the front counts it, and says what went wrong
	return front, nil
}

// i2pVisitor is a number for who comes: i2pd calls from 127.A.B.C, made from the visitor's
// destination.
func i2pVisitor(c net.Conn) uint32 {
	a := remote(c)
	if !a.Is4() {
		return 0
	}
	four := a.As4()
	return binary.BigEndian.Uint32(four[:])
}

// unixPair are the two ends of a connection within this process.
func unixPair() (one, other *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	one, err = unixConn(fds[0])
	other, otherErr := unixConn(fds[1])
	if err = errors.Join(err, otherErr); err != nil {
		return nil, nil, err
	}
	return one, other, nil
}

func unixConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "visitor")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}
