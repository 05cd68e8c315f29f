package house

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/internal/lab"
)

// Status is what `tunic status --json` says on a box.
func Status(ctx context.Context, l *lab.Lab, gateway string) (s api.Status, err error) {
	out, err := Run(ctx, l, gateway, "tunic", "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	return s, err
}

// statusOf is the status as far as it does not change by itself. A box without
// a daemon has none, which is a way to stand too.
func statusOf(ctx context.Context, l *lab.Lab, gateway string) (Look, error) {
	s, err := api.NewClient(config.NewPaths(l.Root(gateway)).API()).Status(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || s.State == "" {
		return Look{"status": "no daemon answers\n"}, nil
	}
	text, err := json.MarshalIndent(lasting(s), "", " ")
	if err != nil {
		return nil, fmt.Errorf("writing the status of %s: %w", gateway, err)
	}
	look := Look{"status": string(text)}
	for _, f := range s.Findings {
		if f.Code == health.TorTwice {
			continue // a process of the whole machine's, which all labs and tests share
		}
		look[strings.TrimSpace(finding+string(f.Code)+" "+f.Subject)] = string(f.Severity) + ", " + f.Text
	}
	return look, nil
}

// finding begins the names of the status's findings in a Look.
const finding = "finding "

// lasting is a status without times, counters, the neighbour table, what tor
// says of itself, whether visitors have got in by now, and findings, which
// stand for themselves.
func lasting(s api.Status) api.Status {
	s.Since, s.Clock, s.Household.Served = time.Time{}, api.Clock{}, api.Served{}
	s.Tor = steady(s.Tor)
	if s.FastTor != nil {
		fast := steady(*s.FastTor)
		s.FastTor = &fast
	}
	s.Household.Devices = slices.DeleteFunc(slices.Clone(s.Household.Devices), func(d api.Device) bool {
		return d.Named != "file" && d.Until == nil // somebody's of the neighbour table
	})
	for i := range s.Household.Devices {
		d := &s.Household.Devices[i]
		d.Addresses, d.Seen = nil, false
	}
	s.Onions = each(s.Onions, func(o api.Onion) api.Onion {
		return api.Onion{Name: o.Name, Address: o.Address, Private: o.Private, Anonymous: o.Anonymous, Clients: o.Clients,
			Ports: each(o.Ports, func(p api.Port) api.Port { return api.Port{Port: p.Port, Target: p.Target} }),
			Old:   each(o.Old, func(a api.OldAddress) api.OldAddress { return api.OldAddress{Address: a.Address} }),
			Reach: api.Reach{Key: o.Key, As: o.As}}
	})
	s.Servers = each(s.Servers, func(server api.Server) api.Server {
		return api.Server{Name: server.Name, Version: server.Version, Ready: server.Ready, Error: server.Error}
	})
	s.Leaks = each(s.Leaks, func(text string) string { return addressesNow.ReplaceAllString(text, "") })
	s.Findings = nil
	return s
}

// addressesNow is of a bypass, and changes as answers come and end.
var addressesNow = regexp.MustCompile(`; \d+ addresses now$`)

func steady(t api.Tor) api.Tor {
	return api.Tor{Version: t.Version, Running: t.Running, Bootstrap: t.Bootstrap}
}

func each[T any](list []T, change func(T) T) []T {
	var changed []T
	for _, item := range list {
		changed = append(changed, change(item))
	}
	return changed
}
