package services

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/supervise"
	"tunic/rules"
)

// Bounds of a friend at a table: the one who talks, and those who hear that somebody does.
const (
	talkersAtOnce = 3
	talkingTime   = 12 * time.Hour
)

// table is the service by which all friends may ask who is at their table.
func table(s feature.Scene) []link.OwnService {
	if !s.Config.Gateway.Talk || len(s.Config.Peers) == 0 {
		return nil
	}
	o := link.OwnService{Name: config.TalkService, Talk: true, AtOnce: talkersAtOnce, Time: talkingTime}
	for _, p := range s.Config.Peers {
		o.Friends = append(o.Friends, who(p))
	}
	return []link.OwnService{o}
}

// wantTable leads the house to its own tables: devices by port 1 of the box, as they
// reach those of friends, and root on the box by a socket. It reports whether there are any.
func wantTable(s feature.Scene, d *feature.Desired, w *link.Services) bool {
	if len(table(s)) == 0 {
		return false
	}
	lead(d, []uint16{config.MuxPort}, rules.Service{Name: "services", Internal: config.ServeServicesPort})
	w.Table = "talk"
	d.Listeners = append(d.Listeners, supervise.ListenerSpec{Name: w.Table, Network: "unix", Path: s.Paths.Table(), Mode: 0o600})
	return true
}

// knockAge is how long it is told that a friend wanted to talk.
const knockAge = 24 * time.Hour

// Report implements feature.Reporter: what friends have sent, and who wanted to talk and
// found nobody.
func (f *Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	reportInbox(s, status)
	if s.Config == nil || !s.Config.Gateway.Talk {
		return
	}
	for _, p := range s.Config.Peers {
		friend := who(p).Onion
		i := slices.IndexFunc(s.Served.Knocks, func(k link.Knock) bool { return k.Friend == friend && time.Since(k.At) < knockAge })
		if i < 0 {
			continue
		}
		status.Findings = append(status.Findings, health.New(health.FriendKnocked, p.Name, fmt.Sprintf(
			"%s wanted to talk at %s and found nobody at the table: `tunic chat %s` answers", p.Name,
			s.Served.Knocks[i].At.Local().Format("15:04"), p.Name)))
	}
}
