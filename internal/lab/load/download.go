package load

import (
	"context"
	"io"
	"net"
	"time"

	"tunic/internal/lab/traffic"
)

// Of a download: how many bytes are read at a time, and the rest between two times.
const (
	Step = 64 << 10
	rest = 100 * time.Millisecond
)

// Download is a page without end that is read slowly.
type Download struct {
	Conn  net.Conn
	Bytes int   // that came
	Err   error // that ended it
}

// Begin asks the lab's web server at an address for a page without end.
func Begin(ctx context.Context, from traffic.Host, address string) (*Download, error) {
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "GET /blob?bytes=1000000000 HTTP/1.0\r\n\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	return &Download{Conn: conn}, nil
}

// Run reads until ctx ends; anything else that ends it is d.Err.
func (d *Download) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if d.Err = d.Conn.SetReadDeadline(time.Now().Add(talkLimit)); d.Err != nil {
			return
		}
		n, err := io.ReadFull(d.Conn, make([]byte, Step))
		d.Bytes += n
		if d.Err = err; err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}
