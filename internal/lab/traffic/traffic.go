// Package traffic sends what devices send, and what they should not send, from
// inside the network namespaces of a lab: complete IP packets made byte by
// byte, and ordinary connections.
//
// Use it in tests of rules, together with a capture that counts what came out
// at the other end: sending never fails for being refused, since a refusal is
// what most tests are about. Do not use it outside of namespaces made for a
// test.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a network namespace by its name below /run/netns (ip-netns(8)).
type Host struct {
	Namespace string // "" is the one that the process is in
	UID       int    // whose sockets they are, as far as rules that match owners see; 0 is root
	Interface string // that Send binds its sockets to (SO_BINDTODEVICE); "" is none
	Mark      int    // of the packets that Send sends (SO_MARK)
}

// On returns the host with its packets bound to an interface.
func (h Host) On(name string) Host {
	h.Interface = name
	return h
}

// Marked returns the host with a mark on its packets.
func (h Host) Marked(mark int) Host {
	h.Mark = mark
	return h
}

// As returns the host with another owner of its sockets.
func (h Host) As(uid int) Host {
	h.UID = uid
	return h
}

// Do runs f on a thread that is in the namespace: sockets that f opens belong
// there for good. The thread ends with f.
func (h Host) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := h.enter()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (h Host) enter() error {
	if err := h.join(); err != nil {
		return err
	}
	if h.UID == 0 {
		return nil
	}
	if err := unix.Setfsuid(h.UID); err != nil { // sockets belong to the filesystem uid
		return fmt.Errorf("becoming uid %d: %w", h.UID, err)
	}
	return nil
}

func (h Host) join() error {
	if h.Namespace == "" {
		return nil
	}
	ns, err := unix.Open(filepath.Join("/run/netns", h.Namespace), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening namespace %s: %w", h.Namespace, err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering namespace %s: %w", h.Namespace, err)
	}
	return nil
}

// Dial opens a connection to a literal address.
func (h Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen opens a TCP listener.
func (h Host) Listen(ctx context.Context, address string) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		return err
	})
	return l, err
}

// connectLimit bounds a connection that nobody answers or refuses.
const connectLimit = 300 * time.Millisecond

// Connect opens TCP connections, says hello on those that come about, and
// closes them.
func (h Host) Connect(ctx context.Context, addresses ...string) error {
	for _, address := range addresses {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		dial, cancel := context.WithTimeout(ctx, connectLimit)
		conn, err := h.Dial(dial, "tcp", address)
		cancel()
		if err != nil {
			continue // refused, or nobody there: the capture tells
		}
		_, err = conn.Write([]byte("hello\n"))
		if err := errors.Join(tolerate(err), conn.Close()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Send sends complete IP packets. The kernel fills in IPv4's header checksum
// and makes fragments of what is too long.
func (h Host) Send(packets ...[]byte) error {
	return h.Do(func() error {
		for _, p := range packets {
			if err := h.send(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h Host) send(packet []byte) error {
	var to unix.Sockaddr
	family := unix.AF_INET
	if packet[0]>>4 == 6 {
		family = unix.AF_INET6
		to = &unix.SockaddrInet6{Addr: [16]byte(packet[24:40])}
	} else {
		to = &unix.SockaddrInet4{Addr: [4]byte(packet[16:20])}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) // which means: with header (raw(7))
	if err != nil {
		return fmt.Errorf("opening a raw socket: %w", err)
	}
	defer unix.Close(fd)
	if err := h.prepare(fd); err != nil {
		return fmt.Errorf("preparing a raw socket: %w", err)
	}
	if err := tolerate(unix.Sendto(fd, packet, 0, to)); err != nil {
		return fmt.Errorf("sending a packet: %w", err)
	}
	return nil
}

func (h Host) prepare(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	if h.Interface != "" {
		err = errors.Join(err, unix.BindToDevice(fd, h.Interface))
	}
	if h.Mark != 0 {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, h.Mark))
	}
	return err
}

// tolerate drops the errors by which a kernel says that a rule or a router
// refused.
func tolerate(err error) error {
	for _, refused := range []error{unix.EPERM, unix.EACCES, unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE,
		unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EPROTO} {
		if errors.Is(err, refused) {
			return nil
		}
	}
	return err
}
