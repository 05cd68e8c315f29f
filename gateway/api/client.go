package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

// ErrNotRunning is returned by Client calls when no daemon listens.
var ErrNotRunning = errors.New("the tunic daemon is not running")

// Client talks to the daemon of one root.
type Client struct {
	http http.Client
	dial func(context.Context) (net.Conn, error)
}

// NewClient returns a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", path) }
	return &Client{dial: dial, http: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// InCharge reports whether a daemon has the household: it listens, though it may
// be too busy to answer.
func (c *Client) InCharge(ctx context.Context) bool {
	conn, err := c.dial(ctx)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// Status asks for the whole status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask(ctx, c, verbStatus, struct{}{})
}

// Plan asks what a reload would change.
func (c *Client) Plan(ctx context.Context) (Plan, error) {
	return ask(ctx, c, verbPlan, struct{}{})
}

// Reload makes the daemon read its configuration again and apply it.
func (c *Client) Reload(ctx context.Context) error {
	_, err := ask(ctx, c, verbReload, struct{}{})
	return err
}

// Lockdown closes the household until the next reload.
func (c *Client) Lockdown(ctx context.Context) error {
	_, err := ask(ctx, c, verbLockdown, struct{}{})
	return err
}

// Publish makes an onion and returns it.
func (c *Client) Publish(ctx context.Context, r PublishRequest) (Onion, error) {
	return ask(ctx, c, verbPublish, r)
}

// Unpublish takes an onion away.
func (c *Client) Unpublish(ctx context.Context, r UnpublishRequest) error {
	_, err := ask(ctx, c, verbUnpublish, r)
	return err
}

// ask asks the daemon.
func ask[Q, A any](ctx context.Context, c *Client, r Request[Q, A], q Q) (a A, err error) {
	err = c.exchange(ctx, r.method, r.path, q, &a)
	return a, err
}

// exchange is what all requests share: question is sent as JSON where something is asked, and the
// answer read into the value that answer points to.
func (c *Client) exchange(ctx context.Context, method, path string, question, answer any) error {
	var payload bytes.Buffer
	if method == http.MethodPost {
		if err := json.NewEncoder(&payload).Encode(question); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tunic"+path, &payload)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED):
		return ErrNotRunning
	case errors.Is(err, os.ErrPermission):
		return &Failure{Problem{Error: "opening the daemon's socket: permission denied", Hint: "run the command as root (sudo)"}}
	case err != nil:
		return fmt.Errorf("asking the daemon: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var p Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Error == "" {
			return fmt.Errorf("asking the daemon: %s", resp.Status)
		}
		return &Failure{p}
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}
