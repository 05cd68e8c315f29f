package services

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/onion"
)

var _ api.Services = (*Feature)(nil)

// Services lists what friends may use, then what they offer.
func (f *Feature) Services(context.Context) ([]api.FriendService, error) {
	now := f.host.Now()
	list := []api.FriendService{}
	for _, s := range now.Config.Services {
		list = append(list, shown(s, now.Service))
	}
	for _, p := range now.Config.Peers {
		for _, o := range now.Offered[onion.Address(p.Onion)] {
			list = append(list, api.FriendService{Name: o.Name, By: p.Name, Port: o.Port})
		}
	}
	return list, nil
}

func shown(s config.Service, user feature.IDs) api.FriendService {
	one := api.FriendService{Name: s.Name, Command: s.Command, Friends: s.Friends, Port: s.Port, Error: unusable(s, user)}
	if len(s.Command) == 0 {
		one.Target = s.Target.String()
	}
	return one
}

// fault is of verbs about services.
var fault = feature.Faults([]health.Code{health.TorRefused}, health.RulesFailed, health.ServeProblem, health.ServiceUnusable)

// AddService writes a service's file and applies it.
func (f *Feature) AddService(ctx context.Context, r api.ServiceRequest) (api.FriendService, error) {
	s, err := parse(r)
	if err == nil {
		err = f.known(s.Friends)
	}
	if err != nil {
		return api.FriendService{}, feature.Usage(err, "example: tunic service add uptime --friend bob -- /usr/bin/uptime")
	}
	if why := unusable(s, f.host.Now().Service); why != "" {
		return api.FriendService{}, feature.Usage(errors.New(why), "nothing was changed")
	}
	err = f.host.Edit(ctx, feature.Edit{Files: []string{f.Paths.ServiceFile(s.Name)}, Load: true, Fault: fault, Write: func() error {
		err := config.WriteService(f.Paths, s)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, config.ErrExists):
			return feature.Usage(err, "to change it, edit its file and run `tunic reload`, or `tunic service remove` it first")
		}
		return feature.Usage(err, "nothing was changed")
	}})
	if err != nil {
		return api.FriendService{}, err
	}
	one := shown(s, f.host.Now().Service)
	if one.Target != "" {
		one.Down = f.down(ctx, s.Name)
	}
	return one, nil
}

// down says why nobody answers at the server of a service, "" if somebody does, or if
// nobody knows: the service is offered all the same.
func (f *Feature) down(ctx context.Context, service string) string {
	st, err := f.At(ctx, service)
	switch {
	case err != nil:
		f.Log.Debug("a service could not be looked at", "service", service, "error", err)
		return ""
	case st.Reachable:
		return ""
	}
	return st.Error
}

// known says which of the names is no friend's.
func (f *Feature) known(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(f.host.Now().Config.Peers, func(p config.Peer) bool { return p.Name == name }) {
			return fmt.Errorf("no friend is called %q: `tunic friends` lists friends, and who is none yet", name)
		}
	}
	return nil
}

// parse checks the words of a request.
func parse(r api.ServiceRequest) (config.Service, error) {
	s := config.NewService(r.Name)
	s.Command, s.Friends, s.Port = r.Command, r.Friends, r.Port
	switch {
	case len(r.Command) > 0 && r.Target != "":
		return s, errors.New("a service is a program or a server: leave out --target or the PROGRAM")
	case len(r.Command) == 0 && r.Target == "":
		return s, errors.New("what friends use was not said: -- PROGRAM, or --target HOST:PORT")
	case len(r.Friends) == 0:
		return s, errors.New("nobody may use it: name a friend")
	case r.Target == "" && r.Proxy:
		return s, errors.New("a program is told which friend comes by TUNIC_FRIEND: --proxy is for a target")
	case r.Target == "":
		return s, nil
	}
	target, err := config.ParseServiceTarget(r.Target)
	if r.Proxy {
		target.Proxy = config.ProxyV2
	}
	s.Target = target
	return s, err
}

// RemoveService removes a service's file and applies that. What somebody uses of it ends.
func (f *Feature) RemoveService(ctx context.Context, r api.ServiceName) error {
	return f.host.Edit(ctx, feature.Edit{Files: []string{f.Paths.ServiceFile(r.Name)}, Load: true, Fault: fault, Write: func() error {
		if err := config.RemoveService(f.Paths, r.Name); err != nil {
			return feature.Usage(err, "`tunic services` lists the names")
		}
		return nil
	}})
}
