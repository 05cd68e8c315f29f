package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/managed"
)

// Servers are the managed servers: those that others have written.
type Servers interface {
	// Apply begins to make them so; it does not wait.
	Apply(specs []managed.Spec)
	Status() []managed.Status
	// Tail is what one printed last, and whether there is such a server.
	Tail(name string) ([]string, bool)
}

// applyServers comes last: no server starts before Tor and the fronts. What is
// wrong with one closes nothing and stops no other.
func (a *attempt) applyServers() bool {
	a.Servers.Apply(a.desired.Servers)
	for _, s := range a.Servers.Status() {
		if code, ok := serverCode(s); ok {
			a.find(code, s.Name, "%s", serverWords(s))
		}
	}
	return true
}

// serverCode is the finding about a server, if there is one.
func serverCode(s managed.Status) (health.Code, bool) {
	switch {
	case errors.As(s.Err, new(*managed.MissingError)):
		return health.ServerMissing, true
	case errors.As(s.Err, new(*managed.VersionError)):
		return health.ServerOld, true
	case errors.As(s.Err, new(*managed.EarlyError)):
		return health.ServerFails, true
	case s.Err != nil:
		return health.ServerDown, true
	case !s.Ready:
		return health.ServerStarting, true
	case s.Untried:
		return health.ServerUntried, true
	}
	return "", false
}

func serverWords(s managed.Status) string {
	switch {
	case s.Err != nil && s.Untried:
		return fmt.Sprintf("%v; %s %s is newer than what tunic was tried with", s.Err, s.Name, s.Version)
	case s.Err != nil:
		return s.Err.Error()
	case !s.Ready:
		return s.Name + " is being started"
	}
	return fmt.Sprintf("%s %s is newer than what tunic was tried with; it runs with the newest configuration that tunic has", s.Name, s.Version)
}

// serverStatus is the servers' part of the status; those that are wanted and
// have not been started are in it.
func (g *Gateway) serverStatus(v view) []api.Server {
	list := []api.Server{}
	for _, s := range g.Servers.Status() {
		one := api.Server{Name: s.Name, Version: s.Version, PID: s.PID, Ready: s.Ready, Restarts: s.Restarts}
		if !s.Since.IsZero() {
			one.Since = &s.Since
		}
		if s.Err != nil {
			one.Error = s.Err.Error()
		}
		list = append(list, one)
	}
	for _, s := range v.desired.Servers {
		if !slices.ContainsFunc(list, func(have api.Server) bool { return have.Name == s.Name }) {
			list = append(list, api.Server{Name: s.Name, Error: "starts when the household is open"})
		}
	}
	return list
}

// Tail implements api.Servers.
func (g *Gateway) Tail(_ context.Context, r api.TailRequest) ([]string, error) {
	name := r.Server
	lines, ok := g.Servers.Tail(name)
	if ok {
		return lines, nil
	}
	now := g.Now()
	names := []string{}
	for _, s := range now.Desired.Servers {
		if s.Name == name {
			return nil, now.NotYet(name)
		}
		names = append(names, s.Name)
	}
	hint := "`journalctl -u tunic` has the words of tunic and tor"
	if len(names) > 0 {
		hint = "there is " + strings.Join(names, ", ") + "; " + hint
	}
	return nil, feature.Usage(fmt.Errorf("there is no log of %q", name), hint)
}
