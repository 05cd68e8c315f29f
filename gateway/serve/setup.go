package serve

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"tunic/gateway/autoconfig"
	"tunic/gateway/device"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
)

// setup serves the pages for mail programs.
func (a *application) setup(want *link.Setup) {
	if want == nil {
		return
	}
	pages := autoconfig.Settings{Domain: want.Domain, Host: want.Host, IMAPS: want.IMAPS, Submit: want.Submit, CA: want.CA}
	for _, name := range want.Listeners {
		a.run(name, fmt.Sprint("setup ", pages), func(ctx context.Context, f *os.File) error {
			ln, err := a.listen(f)
			if err != nil {
				return err
			}
			return servePages(ctx, limited{ln, a.household.of("setup"), a.Devices}, pages.Handler())
		})
	}
}

// pageTime bounds one request and its answer, in the house.
const pageTime = 20 * time.Second

// servePages serves HTTP until ctx ends.
func servePages(ctx context.Context, ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadTimeout: pageTime, WriteTimeout: pageTime, IdleTimeout: pageTime, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(nobody{}, "", 0)} // it would name devices
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(ln); ctx.Err() == nil {
		return fmt.Errorf("serving pages: %w", err)
	}
	return nil
}

// nobody reads this log.
type nobody struct{}

func (nobody) Write(p []byte) (int, error) { return len(p), nil }

// limited closes connections beyond what a device may have.
type limited struct {
	net.Listener
	limits  *endpoint.Limiter
	devices *device.Table
}

func (l limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if release, ok := l.limits.Enter(string(l.devices.OfConn(c.RemoteAddr())), func() { c.Close() }); ok {
			return &counted{Conn: c, release: release}, nil
		}
		c.Close()
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
