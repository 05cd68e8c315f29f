package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"

	"tunic/gateway"
	"tunic/gateway/box"
	"tunic/gateway/feature"
	"tunic/gateway/succession"
	"tunic/gateway/supervise"
)

// heirDescriptor is where the daemon that is to be replaced puts its heir's end of
// the link.
const heirDescriptor = 3

// heir is a daemon that is to take the place of another.
type heir struct {
	*succession.Heir
	estate succession.Estate
	works  chan struct{} // closed once it has the place
}

// runHeir makes a daemon that takes the place of the one that has started it.
// Until it has, whatever goes wrong ends it and nothing else: the other one has the
// household, and what this one was handed.
func (a *app) runHeir(ctx context.Context, log *slog.Logger) error {
	modest()
	link, err := succession.NewHeir(ctx, os.NewFile(heirDescriptor, "heir"), func() { os.Exit(exitFailed) })
	if err != nil {
		return usageError("this is started by `tunic upgrade` and nobody else", "%v", err)
	}
	h := &heir{Heir: link, works: make(chan struct{})}
	d, door, err := a.inherit(ctx, log, h)
	if err != nil {
		h.giveUp(ctx, log, err)
	}
	defer d.lock.Release()
	defer d.api.Close()
	return d.run(ctx, door, h)
}

// giveUp ends this process, which has no daemon's place: nothing that it was handed is
// stopped or closed.
func (h *heir) giveUp(ctx context.Context, log *slog.Logger, err error) {
	if err == nil {
		err = errors.New("it was told to end")
	}
	log.Error("this version does not take the place of the one that runs", "error", err)
	h.GiveUp(context.WithoutCancel(ctx), err)
	os.Exit(exitFailed)
}

// inherit gets ready, and then takes everything over.
func (a *app) inherit(ctx context.Context, log *slog.Logger, h *heir) (*daemon, net.Listener, error) {
	if err := box.CheckVersion(a.paths().State); err != nil {
		return nil, nil, err
	}
	d, err := a.gather(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	if h.estate, err = h.Take(ctx, version); err != nil {
		return nil, nil, err
	}
	lock, api := h.File(succession.FileLock), h.File(succession.FileAPI)
	if lock == nil || api == nil {
		return nil, nil, errors.New("the version that runs has not handed everything over")
	}
	d.lock, d.api = box.InheritLock(lock), new(supervise.Listeners)
	d.api.Adopt(map[string]*os.File{succession.FileAPI: api}, map[string]string{succession.FileAPI: a.paths().API()})
	door, err := net.FileListener(api)
	if err != nil {
		return nil, nil, fmt.Errorf("taking the API over: %w", err)
	}
	return d, door, d.adopt(h)
}

// adopt goes on with what another daemon has started.
func (d *daemon) adopt(h *heir) error {
	e := h.estate
	if e.Tor != nil {
		if err := d.tor.Adopt(*e.Tor, h.File(succession.FileTor)); err != nil {
			return err
		}
	}
	if e.Fast != nil {
		if err := d.fast.Adopt(*e.Fast, h.File(succession.FileFast)); err != nil {
			return err
		}
	}
	d.servers.Adopt(e.Servers, h.Files(succession.FileServer))
	d.sockets.Adopt(h.Files(succession.FileListener), e.Paths)
	return nil
}

// succession is what the reconciler needs to take the other one's place; nil: there is
// no other.
func (h *heir) succession(d *daemon) *gateway.Succession {
	if h == nil {
		return nil
	}
	return &gateway.Succession{Was: h.estate.State, Works: func(ctx context.Context) error {
		if err := errors.Join(d.tor.Own(), d.fast.Own()); err != nil {
			return err
		}
		if err := h.Works(ctx); err != nil {
			return err
		}
		d.inCharge(h)
		return nil
	}}
}

// inCharge begins what only one daemon can do.
func (d *daemon) inCharge(h *heir) {
	d.sockets.Settle()
	d.api.Settle()
	err := d.lock.Claim()
	if out := h.File(succession.FileServe); out != nil {
		err = errors.Join(err, d.serve.Inherit(h.estate.Serve, out))
	}
	for i, one := range h.estate.Older {
		if out := h.File(succession.FileOlder + strconv.Itoa(i)); out != nil {
			_ = d.serve.Inherit(one, out) // else its last stream has ended meanwhile
		}
	}
	if err != nil {
		d.log.Warn("taking the place of the earlier version", "error", err)
	}
	d.log.Info("this version has taken the place of the one before", "version", version, "before", h.estate.State.Version)
	close(h.works)
}

// charge is closed once this daemon has the household.
func (h *heir) charge() <-chan struct{} {
	if h == nil {
		now := make(chan struct{})
		close(now)
		return now
	}
	return h.works
}

// bequeathed gives features what others of their kind had in memory. What one does not
// understand it does without.
func (h *heir) bequeathed(features []feature.Feature, log *slog.Logger) {
	if h == nil {
		return
	}
	for _, f := range features {
		raw, ok := h.estate.Features[f.Name()]
		if f, is := f.(feature.Heir); is && ok {
			if err := f.Inherit(raw); err != nil {
				log.Warn("something is not known any more", "error", err)
			}
		}
	}
}
