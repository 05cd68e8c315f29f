package page

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// bounds are those of whoever speaks with the page of a setup.
type bounds struct {
	header, read time.Duration // for a request's header, and for all of it
	write        time.Duration // until it is answered: a plan takes a slow box a while
	conns        int           // at a time, for each address of the box
	headerBytes  int
}

var setupBounds = bounds{header: 5 * time.Second, read: 10 * time.Second, write: 45 * time.Second, conns: 32, headerBytes: 8 << 10}

// Serve answers at a listener until the context ends, and closes it. Each request has a
// connection of its own: whoever confirms a setup then does so through the rules that
// are in force, and not over what was open before them.
func (s *Setup) Serve(ctx context.Context, l net.Listener) {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: s.bounds.header, ReadTimeout: s.bounds.read,
		WriteTimeout: s.bounds.write, MaxHeaderBytes: s.bounds.headerBytes, ErrorLog: log.New(io.Discard, "", 0)}
	srv.SetKeepAlivesEnabled(false)
	ended := make(chan struct{}) // and what was being answered is
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
	})
	srv.Serve(&fewAtATime{Listener: l, free: make(chan struct{}, s.bounds.conns)}) // always ends with an error: that it was closed
	if !stop() {
		<-ended
	}
}

// fewAtATime is a listener with a bound on its connections; who comes when there is no
// room is hung up on.
type fewAtATime struct {
	net.Listener
	free chan struct{}
}

func (l *fewAtATime) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &counted{Conn: c, l: l}, nil
		default:
			c.Close()
		}
	}
}

// counted makes room when it is closed.
type counted struct {
	net.Conn
	l    *fewAtATime
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { <-c.l.free })
	return c.Conn.Close()
}
