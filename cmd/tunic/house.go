package main

import (
	"context"
	"os"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/cell"
	"tunic/gateway/feature"
	"tunic/gateway/feature/block"
	"tunic/gateway/feature/bypass"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/friends"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/household"
	"tunic/gateway/feature/i2p"
	"tunic/gateway/feature/irc"
	"tunic/gateway/feature/leaks"
	"tunic/gateway/feature/mail"
	"tunic/gateway/feature/metrics"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/notices"
	"tunic/gateway/feature/onions"
	site "tunic/gateway/feature/page"
	"tunic/gateway/feature/people"
	"tunic/gateway/feature/phones"
	"tunic/gateway/feature/servers"
	offer "tunic/gateway/feature/services"
	"tunic/gateway/feature/settings"
	"tunic/gateway/feature/try"
	"tunic/gateway/feature/upstream"
	"tunic/gateway/feature/why"
	"tunic/gateway/feature/xmpp"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/supervise"
	"tunic/rules"
)

// house is what the box does for its household.
type house struct {
	onions  *onions.Feature
	friends *friends.Feature
	devices devices
	bypass  *bypass.Feature
	people  people.Feature
	mail    mail.Feature
	servers servers.Feature
	changes *settings.Feature
	page    *site.Feature
	notices *notices.Feature

	services *offer.Feature
	phones   phones.Feature
	sampler  sampler
}

// devices answers api.Devices.
type devices struct {
	*household.Feature
	why.Explainer
	try.Visitor
}

// newHouse furnishes a house: says how each feature reaches what it needs.
func newHouse(host feature.Host, d *daemon) house {
	paths, owner := d.system.Paths, d.users.Tor
	changes := settings.New(host, paths, d.log)
	known := household.New(host, household.Parts{Paths: paths, Log: d.log, Kernel: d.kernel, System: d.system, Tor: d.tor, Server: d.serve})
	ring := new(onion.Keyring)
	published := onions.New(host, onions.Parts{Paths: paths, Owner: owner, Log: d.log, Ring: func() onions.Round { return ring.Round() },
		Tor: d.tor, Fast: d.fast, Server: d.serve, Kernel: d.kernel})
	return house{
		onions:  published,
		phones:  phones.New(host, phones.Parts{Paths: paths, Log: d.log, Onions: published}),
		friends: friends.New(host, friends.Parts{Paths: paths, Owner: owner, Log: d.log, Sign: signWithKey, Tor: d.tor, Server: d.serve}),
		devices: devices{known, why.Explainer{Host: host, Log: d.log, System: d.system, Finder: known},
			try.Visitor{Host: host, Server: d.serve, Tor: d.tor, Finder: known}},
		sampler: sampler{d.serve},
		bypass:  bypass.New(host, paths, d.kernel),
		people:  people.New(host),
		mail:    mail.New(host, d.serve),
		servers: servers.New(host, d.servers),
		changes: changes,
		page: site.New(host, site.Parts{Paths: paths, Log: d.log, Tor: d.tor, Settings: changes,
			Leaks: leaks.Tester{Host: host, System: inKernel{d}, Devices: known.Devices}.Leaks, Lines: d.recent.Lines}),
		notices: notices.New(host, notices.Parts{Paths: paths, Log: d.log, Server: d.serve}),
		services: offer.New(host, offer.Parts{Paths: paths, Owner: owner, Log: d.log, Sign: signWithKey,
			Start: func(o cell.Order, stream, status *os.File) (*supervise.Process, error) {
				return cell.Start(o, stream, status, confine, d.log)
			}, At: d.serve.LookAtService}),
	}
}

// inKernel is leaks.System.
type inKernel struct{ *daemon }

func (k inKernel) Verify(ctx context.Context, r rules.Ruleset) ([]string, error) {
	return k.kernel.Verify(ctx, r)
}

func (k inKernel) Wall() ([]string, error) { return k.system.Wall() }

// emptyHouse can be looked at, and answers nobody.
func emptyHouse() house { return newHouse(nil, &daemon{}) }

// Answers says who answers what serve asks.
func (h house) Answers(m *link.Mux) {
	h.friends.Answers(m)
	h.bypass.Answers(m)
	h.mail.Answers(m)
	h.page.Answers(m)
	h.services.Answers(m)
}

// parts answer what verbs ask.
func (h house) parts(g *gateway.Gateway, old *predecessor) api.Parts {
	return api.Parts{Daemon: g, Upgrade: old, Onions: h.onions, Devices: h.devices, Bypasses: h.bypass, Users: h.people, Mail: h.mail,
		Servers: h.servers, Peers: h.friends, Services: h.services, Phones: h.phones,
		Sampler: h.sampler}
}

// features are those of the box, in the order in which they look and want.
func (h house) features() []feature.Feature {
	return []feature.Feature{
		h.onions,           // what is published, with which keys, and who finds it
		h.friends,          // other boxes, and the names of what they share
		h.devices.Feature,  // the household's devices, and what the box answers them
		block.Feature{},    // names that do not exist for devices
		upstream.Feature{}, // another program that filters names
		entry.Feature{},    // how tor enters and leaves the network
		h.bypass,           // what devices may reach outside Tor
		clock.Feature{},    // what time it is, and who is told
		networks.Feature{}, // what there is around the box, and what passes from there
		h.people,           // who lives here, and by which certificates their devices know the box
		h.phones,           // their phones that are away from home
		h.mail,             // everybody's mailbox, and the way of mail to friends
		irc.Feature{},      // chat in channels
		xmpp.New(),         // chat by the box's addresses
		i2p.Feature{},      // a second network beside Tor
		metrics.Feature{},  // numbers for Prometheus
		gopher.Feature{},   // pages for the household and for friends
		h.changes,          // settings that wait to be confirmed
		h.page,             // what browsers of the household see of all that
		h.notices,          // what admins are told by mail
		h.services,         // what friends may use, and ways to what they offer
		h.servers,          // how the servers are that others have written
	}
}
