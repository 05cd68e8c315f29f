package services

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/supervise"
)

// maxRuns bounds the commands of all friends, whatever each may.
const maxRuns = 64

// A friend may have startBurst commands started at once, and then one a second: starting
// one costs three programs, however soon it ends.
const (
	startBurst = 30
	startPause = time.Second
)

// run is a command that works for a friend.
type run struct {
	service config.Service
	friend  string // petname
	process *supervise.Process
}

// errNot is all that serve hears of what its box does not offer.
var errNot = errors.New("no such service is offered to that friend")

// run starts a command that the configuration in force offers to a friend, and nothing
// else: serve may have been taken over. What it is given is a stream of serve's, and a
// pipe; a listener or a file would be nothing that a command ends with.
func (f *Feature) run(_ context.Context, q link.Run, files []*os.File) (none struct{}, err error) {
	now := f.host.Now()
	service, friend, ok := offered(now.Config, q)
	if !ok || len(service.Command) == 0 {
		f.Log.Warn("serve has asked for a command that is not offered", "service", q.Service)
		return none, errNot
	}
	if why := unusable(service, now.Service); why != "" {
		return none, errors.New(why)
	}
	if err := streamAndPipe(files[0], files[1]); err != nil {
		return none, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := service.Name + " " + friend.Name
	if f.count[key] >= service.Limits.AtOnce || len(f.runs) >= maxRuns {
		return none, errors.New("as many commands run for friends as may")
	}
	if !f.mayStart(friend.Name) {
		return none, errors.New("a friend starts commands too often")
	}
	p, err := f.Start(order(service, friend, now.Addresses[config.HomeOnion], now.Service), files[0], files[1])
	if err != nil {
		return none, err
	}
	r := &run{service, friend.Name, p}
	f.runs[r] = struct{}{}
	f.count[key]++
	go f.await(r, key)
	return none, nil
}

// mayStart takes one of a friend's starts. f.mu is held.
func (f *Feature) mayStart(friend string) bool {
	l := f.starts[friend]
	if l == nil {
		l = rate.NewLimiter(rate.Every(startPause), startBurst)
		f.starts[friend] = l
	}
	return l.Allow()
}

func (f *Feature) await(r *run, key string) {
	<-r.process.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.runs, r)
	if f.count[key]--; f.count[key] == 0 {
		delete(f.count, key)
	}
}

// offered finds the service and the friend that serve names.
func offered(c *config.Config, q link.Run) (s config.Service, friend config.Peer, ok bool) {
	i := slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Name == q.Service })
	k := slices.IndexFunc(c.Peers, func(p config.Peer) bool { return p.Onion == string(peer.Key(q.Friend).Address()) })
	if i < 0 || k < 0 || !slices.Contains(c.Services[i].Friends, c.Peers[k].Name) {
		return s, friend, false
	}
	return c.Services[i], c.Peers[k], true
}

// streamAndPipe makes sure of what came with a question: of another socket, such as one
// that listens, nobody would ever have gone from the other end.
func streamAndPipe(stream, pipe *os.File) error {
	var st unix.Stat_t
	err := onDescriptor(stream, func(fd int) error {
		for option, want := range map[int]int{unix.SO_DOMAIN: unix.AF_UNIX, unix.SO_TYPE: unix.SOCK_STREAM, unix.SO_ACCEPTCONN: 0} {
			if is, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option); err != nil || is != want {
				return errors.Join(errors.New("it is no socket of a pair"), err)
			}
		}
		return nil
	})
	if err == nil {
		err = onDescriptor(pipe, func(fd int) error { return unix.Fstat(fd, &st) })
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		err = errors.New("the second is no pipe")
	}
	if err != nil {
		return fmt.Errorf("what came with the question is no stream and no pipe: %w", err)
	}
	return nil
}

func onDescriptor(f *os.File, look func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) { err = look(int(fd)) }), err)
}

// endOthers ends commands that nobody offers any more as they were started.
func (f *Feature) endOthers(c *config.Config, user feature.IDs) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.starts, func(friend string, _ *rate.Limiter) bool {
		return !slices.ContainsFunc(c.Peers, func(p config.Peer) bool { return p.Name == friend })
	})
	for r := range f.runs {
		i := slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Name == r.service.Name })
		same := i >= 0 && slices.Contains(c.Services[i].Friends, r.friend) &&
			slices.ContainsFunc(c.Peers, func(p config.Peer) bool { return p.Name == r.friend }) &&
			reflect.DeepEqual(c.Services[i].Command, r.service.Command) && user != (feature.IDs{})
		if !same {
			_ = r.process.Signal(syscall.SIGKILL) // with it ends all that came of it
		}
	}
}
