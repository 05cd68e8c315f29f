package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// checkTLS makes a handshake. The certificate is not judged: a server on the
// LAN has one of its own making, and the onion's address is what proves it to
// visitors.
func checkTLS(c *conversation, host string) (Result, error) {
	_, r, err := handshake(c, host)
	return r, err
}

func handshake(c *conversation, host string) (*tls.Conn, Result, error) {
	conn := tls.Client(c.Conn, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
	if err := conn.Handshake(); err != nil {
		var other tls.RecordHeaderError
		if errors.As(err, &other) {
			return nil, Result{}, fmt.Errorf("%w: it does not speak TLS", ErrOther)
		}
		var alert tls.AlertError
		if errors.As(err, &alert) {
			return nil, Result{}, fmt.Errorf("its TLS refuses us: %w", alert)
		}
		return nil, Result{}, silence(err)
	}
	state := conn.ConnectionState()
	r := Result{Saw: tls.VersionName(state.Version)}
	if len(state.PeerCertificates) > 0 {
		if end := state.PeerCertificates[0].NotAfter; time.Now().After(end) {
			r.Saw += ", its certificate has expired on " + end.Format(time.DateOnly)
		}
	}
	return conn, r, nil
}

func checkHTTPS(c *conversation, host string) (Result, error) {
	conn, first, err := handshake(c, host)
	if err != nil {
		return first, err
	}
	r, err := checkHTTP(newConversation(conn), host)
	r.Saw = strings.Trim(r.Saw+", "+first.Saw, ", ")
	return r, err
}

// checkHTTP asks for the head of the first page, under the name by which
// visitors will ask: the application may not serve it. It follows no link.
func checkHTTP(c *conversation, host string) (Result, error) {
	err := c.say("HEAD / HTTP/1.1\r\nHost: " + host + "\r\nAccept: */*\r\nConnection: close\r\n\r\n")
	if err != nil {
		return Result{}, err
	}
	first, err := c.r.Peek(5)
	if err != nil && len(first) == 0 {
		return Result{}, silence(err)
	}
	if string(first) != "HTTP/" {
		return Result{}, fmt.Errorf("%w: it does not speak HTTP", ErrOther)
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodHead})
	if err != nil {
		return Result{}, fmt.Errorf("%w: its HTTP is broken", ErrOther)
	}
	resp.Body.Close() // the answer to HEAD has none
	r := Result{Saw: fmt.Sprintf("HTTP %d", resp.StatusCode)}
	if server := resp.Header.Get("Server"); server != "" {
		r.Saw += ", " + server
	}
	r.RefusesName = resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusMisdirectedRequest
	if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable ||
		resp.StatusCode == http.StatusGatewayTimeout {
		return r, fmt.Errorf("the application behind it is down: HTTP %s", Line(resp.Status))
	}
	return r, nil
}
