//go:build lab

package e2e

import (
	"context"
	"fmt"
	"net"
	"time"

	"tunic/internal/lab/traffic"
)

const nas6 = "2001:db8:77::20"

// mirrorPort is where a server on the nas says from where it was called.
const mirrorPort = "8083"

// mirror starts that server.
func (w *world) mirror() (stop func()) {
	w.Helper()
	l, err := w.nas.Listen(w.ctx, "[::]:"+mirrorPort)
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed by stop
			}
			_, _ = fmt.Fprintln(conn, conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
			conn.Close()
		}
	}()
	return func() { l.Close() }
}

// open reports whether a connection comes about within a second.
func open(w *world, from traffic.Host, address string) error {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err
}

// forwardedPort leads from the uplink to the nas, by rules of the owner's own.
const forwardedPort = "8088"

func (w *world) forwardPort() (undo func()) {
	w.Helper()
	change := func(how string) {
		for tool, to := range map[string]string{"iptables": nas4 + ":" + mirrorPort, "ip6tables": "[" + nas6 + "]:" + mirrorPort} {
			w.must("gateway", tool, "-w", "-t", "nat", how, "PREROUTING", "-i", "wan", "-p", "tcp", "--dport", forwardedPort, "-j", "DNAT",
				"--to-destination", to)
		}
	}
	change("-A")
	return func() { change("-D") }
}

func forwarded(w *world) error {
	for _, to := range []string{wan4, wan6} {
		if err := open(w, w.internet, net.JoinHostPort(to, forwardedPort)); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	return nil
}
