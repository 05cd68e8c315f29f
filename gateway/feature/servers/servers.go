// Package servers tells of the managed servers: how each is, and what it has
// printed. Which of them are wanted is said by the features that they are for.
package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/managed"
)

// Servers are the managed servers.
type Servers interface {
	Status() []managed.Status
	// Tail is what one printed last, and whether there is such a server.
	Tail(name string) ([]string, bool)
}

// Feature answers api.Servers.
type Feature struct {
	host    feature.Host
	servers Servers
}

var (
	_ feature.Feature  = Feature{}
	_ feature.Reporter = Feature{}
	_ api.Servers      = Feature{}
)

// New returns the feature.
func New(host feature.Host, servers Servers) Feature { return Feature{host, servers} }

// Name implements feature.Feature.
func (Feature) Name() string { return "servers" }

// Look implements feature.Feature. It wants nothing by itself.
func (Feature) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Wish{}
}

// Report implements feature.Reporter. Servers that are wanted and have not been
// started are in it.
func (f Feature) Report(_ context.Context, _ feature.Scene, status *api.Status) {
	list := []api.Server{}
	for _, s := range f.servers.Status() {
		one := api.Server{Name: s.Name, Version: s.Version, PID: s.PID, Ready: s.Ready, Restarts: s.Restarts}
		if !s.Since.IsZero() {
			one.Since = &s.Since
		}
		if s.Err != nil {
			one.Error = s.Err.Error()
		}
		list = append(list, one)
	}
	for _, s := range f.host.Now().Desired.Servers {
		if !slices.ContainsFunc(list, func(have api.Server) bool { return have.Name == s.Name }) {
			list = append(list, api.Server{Name: s.Name, Error: "starts when the household is open"})
		}
	}
	status.Servers = list
}

// Tail implements api.Servers.
func (f Feature) Tail(_ context.Context, r api.TailRequest) ([]string, error) {
	name := r.Server
	lines, ok := f.servers.Tail(name)
	if ok {
		return lines, nil
	}
	now := f.host.Now()
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
