// Package internet holds the servers of the lab's internet: web, DNS and echo.
// They are as small as a test allows and tell what they saw: the web server
// the address that called, the DNS server every question it got.
//
// Use it only inside the lab. Listeners are given to it; it dials nothing.
package internet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxBlob bounds one download, in bytes.
const maxBlob = 1 << 30

// Web returns a web server that calls itself name. Its pages are / (one line
// with the name), /ip (the caller's address and a newline) and /blob?bytes=N
// (N bytes, at most 1 GiB).
func Web(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "This is %s.\n", name)
	})
	mux.HandleFunc("GET /ip", func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, "the caller has no address", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, host)
	})
	mux.HandleFunc("GET /blob", serveBlob)
	return mux
}

func serveBlob(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 0 || n > maxBlob {
		http.Error(w, fmt.Sprintf("bytes must be a number from 0 to %d", maxBlob), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	_, _ = io.CopyN(w, pattern{}, n) // an error here is the caller hanging up
}

// pattern is an endless stream of the letter x.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// ServeWeb serves HTTP on the listener until ctx ends.
func ServeWeb(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP on %s: %w", ln.Addr(), err)
	}
	return nil
}
