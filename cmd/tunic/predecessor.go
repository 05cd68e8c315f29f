package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/succession"
)

// predecessor is a daemon that can be replaced. It implements succession.Old.
type predecessor struct {
	*daemon
	gateway *gateway.Gateway
	guard   *guard
	door    net.Listener // of the API

	one  sync.Mutex // upgrade at a time
	back []func(context.Context)
}

var _ succession.Old = (*predecessor)(nil)

// Upgrade implements api.Upgrader.
func (p *predecessor) Upgrade(ctx context.Context) (api.Upgraded, func(), error) {
	if !p.one.TryLock() {
		return api.Upgraded{}, nil, feature.Usage(errors.New("an upgrade is under way"), "wait until it is over")
	}
	defer p.one.Unlock()
	path, err := installed()
	if err != nil {
		return api.Upgraded{}, nil, err
	}
	p.log.Info("the version that is installed is started beside this one", "program", path)
	cmd := exec.Command(path, heirArgs(os.Args[1:])...) // its life is longer than this process's
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	r, err := succession.Replace(ctx, cmd, p, succession.Limit)
	if err != nil {
		p.log.Error("the upgrade has failed, this version goes on", "error", err)
		return api.Upgraded{}, nil, &api.Failure{Problem: api.Problem{Error: err.Error(),
			Hint: "version " + version + " goes on, nothing was cut; the log says more: journalctl -u tunic"}}
	}
	return api.Upgraded{From: version, To: r.Version, Streams: r.Streams, Took: r.Took}, func() {
		p.log.Info("the version that is installed works, this one ends", "version", r.Version, "streams that go on", r.Streams)
		os.Exit(exitDone) // all that is left is the other's: nothing is closed or stopped
	}, nil
}

// installed is the path of this program, at which another version may lie by now
// (proc_pid_exe(5)).
func installed() (string, error) {
	path, err := os.Readlink(self)
	if err != nil {
		return "", fmt.Errorf("looking for the version that is installed: %w", err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// heirArgs are the words of the command line for the heir of a daemon with those.
func heirArgs(args []string) []string {
	return append(slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--"+heirFlag }), "--"+heirFlag)
}

// Hand implements succession.Old.
func (p *predecessor) Hand(ctx context.Context) (e succession.Estate, files map[string]*os.File, err error) {
	p.back = nil
	e.State.Version = version
	p.guard.stop()
	p.undo(func(context.Context) { p.guard.start() })
	was, goOn, err := p.gateway.Rest(ctx)
	if err != nil {
		return e, nil, err
	}
	p.undo(func(context.Context) { goOn() })
	e.State = was
	files = map[string]*os.File{succession.FileLock: p.lock.File(), succession.FileAPI: p.api.Files()[succession.FileAPI]}
	if err := p.handProcesses(ctx, &e, files); err != nil {
		return e, nil, err
	}
	for name, f := range p.sockets.Files() {
		files[succession.FileListener+name] = f
	}
	e.Paths = maps.Clone(p.sockets.Paths())
	e.Features, err = bequests(p.gateway.Features)
	return e, files, err
}

// handProcesses adds what runs.
func (p *predecessor) handProcesses(ctx context.Context, e *succession.Estate, files map[string]*os.File) (err error) {
	var out *os.File
	p.undo(func(ctx context.Context) { p.complain(p.tor.TakeBack(ctx)) })
	if e.Tor, out, err = p.tor.Hand(); err != nil {
		return err
	}
	add(files, succession.FileTor, out)
	p.undo(func(ctx context.Context) { p.complain(p.fast.TakeBack(ctx)) })
	if e.Fast, out, err = p.fast.Hand(); err != nil {
		return err
	}
	add(files, succession.FileFast, out)
	p.undo(func(context.Context) { p.servers.TakeBack() })
	servers, outputs, err := p.servers.Hand()
	if err != nil {
		return err
	}
	e.Servers = servers
	for name, f := range outputs {
		files[succession.FileServer+name] = f
	}
	if e.Serve, out, err = p.serve.Hand(); err != nil {
		return err
	}
	add(files, succession.FileServe, out)
	older, outs := p.serve.HandOld()
	e.Older = older
	for i, f := range outs {
		files[succession.FileOlder+strconv.Itoa(i)] = f
	}
	return p.serve.Rest(ctx)
}

func add(files map[string]*os.File, name string, f *os.File) {
	if f != nil {
		files[name] = f
	}
}

// bequests are what features have in memory alone.
func bequests(features []feature.Feature) (map[string]json.RawMessage, error) {
	all := make(map[string]json.RawMessage)
	for _, f := range features {
		if h, ok := f.(feature.Heir); ok {
			raw, err := h.Bequeath()
			if err != nil {
				return nil, fmt.Errorf("handing over what %s knows: %w", f.Name(), err)
			}
			all[f.Name()] = raw
		}
	}
	return all, nil
}

func (p *predecessor) undo(f func(context.Context)) { p.back = append(p.back, f) }

func (p *predecessor) complain(err error) {
	if err != nil {
		p.log.Error("going on as before", "error", err)
	}
}

// TakeBack implements succession.Old: the last first.
func (p *predecessor) TakeBack(ctx context.Context) {
	for _, f := range slices.Backward(p.back) {
		f(ctx)
	}
	p.back = nil
}

// Leave implements succession.Old.
func (p *predecessor) Leave(ctx context.Context, heir int) int {
	p.door.Close() // who asks from now on is answered by the other one
	streams, err := p.serve.Drain(ctx)
	if err != nil {
		p.log.Warn("streams of this version end with it", "error", err)
	}
	if _, err := systemd.SdNotify(false, fmt.Sprintf("MAINPID=%d", heir)); err != nil {
		p.log.Warn("telling the service manager which process is the daemon now", "error", err)
	}
	return streams
}
