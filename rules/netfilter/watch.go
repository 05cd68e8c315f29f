package netfilter

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// ErrWatchEnded is returned by Watch when the kernel's events stopped; some may
// have been lost. Watch again, and look at everything.
var ErrWatchEnded = errors.New("the kernel sends no more events")

// Watch sends on changed when interfaces, addresses or routes to everywhere come,
// go or change, until ctx ends, and once when it has begun to watch, for what has changed while nobody
// did. It never waits for the receiver: give it a channel with room for one, and any number of
// changes meanwhile is one.
func Watch(ctx context.Context, changed chan<- struct{}) error {
	done := make(chan struct{})
	defer close(done)
	failed := make(chan error, 2)
	report := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	links, addrs, routes := make(chan netlink.LinkUpdate), make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	defer drain(links)
	defer drain(addrs)
	defer drain(routes)
	if err := netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{ErrorCallback: report}); err != nil {
		close(links)
		close(addrs)
		close(routes)
		return fmt.Errorf("watching interfaces: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{ErrorCallback: report}); err != nil {
		close(addrs)
		close(routes)
		return fmt.Errorf("watching addresses: %w", err)
	}
	if err := netlink.RouteSubscribeWithOptions(routes, done, netlink.RouteSubscribeOptions{ErrorCallback: report}); err != nil {
		close(routes)
		return fmt.Errorf("watching routes: %w", err)
	}
	signal(changed)
	return forward(ctx, links, addrs, routes, failed, changed)
}

func forward(ctx context.Context, links <-chan netlink.LinkUpdate, addrs <-chan netlink.AddrUpdate, routes <-chan netlink.RouteUpdate,
	failed <-chan error, changed chan<- struct{}) error {
	for {
		open := true
		var r netlink.RouteUpdate
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return ended(ctx, "watching networks", err)
		case _, open = <-links:
		case _, open = <-addrs:
		case r, open = <-routes:
			if open && !toEverywhere(r.Route) {
				continue
			}
		}
		if !open {
			return ended(ctx, "watching networks", nil)
		}
		signal(changed)
	}
}

// drain lets the library's goroutine end: it may be about to send.
func drain[T any](updates <-chan T) {
	go func() {
		for range updates {
		}
	}()
}

// ended says why events have stopped. A socket that was closed because ctx has ended
// fails in its own way (EAGAIN), which is no fault.
func ended(ctx context.Context, what string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return fmt.Errorf("%s: %w", what, ErrWatchEnded)
	}
	return fmt.Errorf("%s: %w: %w", what, ErrWatchEnded, err)
}
