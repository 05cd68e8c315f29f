package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature/bypass"
)

// summary says in plain words what the files change for people: their devices,
// what is published and for whom, friends. A plan has the rest rule by rule.
type summary struct {
	next     *config.Config
	now      api.Status // empty if no daemon runs
	bypasses []api.Bypass
	peers    []api.Peer
	lines    []string
}

// inShort is the summary of a plan. It is empty if nothing changes, or if that
// cannot be told: the plan has then said why.
func (a *app) inShort(ctx context.Context, p api.Plan) []string {
	c, err := config.Load(a.paths())
	if err != nil || len(p.Changes) == 0 {
		return nil
	}
	s := summary{next: c}
	if p.Running {
		if s.now, err = a.client().Status(ctx); err == nil {
			s.peers, err = a.client().Peers(ctx)
		}
		if err == nil {
			s.bypasses, err = a.client().Bypasses(ctx)
		}
		if err != nil {
			return nil
		}
	}
	s.all(p.Changes)
	return s.lines
}

func (s *summary) all(changes []string) {
	s.household()
	s.devices()
	s.outside()
	s.onions()
	s.friends()
	s.consequences(changes)
}

// say adds a line about what a file says.
func (s *summary) say(dir, name, format string, args ...any) {
	s.lines = append(s.lines, filepath.Join(dir, name+".toml")+": "+fmt.Sprintf(format, args...))
}

// policyWords are what the traffic of a device does.
var policyWords = map[config.Policy]string{
	config.PolicyTor:    "goes through Tor",
	config.PolicyOnion:  "goes direct, outside Tor, and asks for names through Tor",
	config.PolicyDirect: "goes direct, outside Tor",
	config.PolicyBlock:  "reaches nothing outside the house",
}

func (s *summary) household() {
	if policy := s.next.Household.DefaultPolicy; string(policy) != s.now.Household.DefaultPolicy {
		s.say("", "tunic", "each device without a policy of its own %s", policyWords[policy])
	}
	has := func(name string) bool {
		return slices.ContainsFunc(s.now.Household.Interfaces, func(i api.Interface) bool { return i.Name == name })
	}
	for _, name := range s.next.Household.Interfaces {
		if !has(name) {
			s.say("", "tunic", "what is behind %s is the household's", name)
		}
	}
	for _, i := range s.now.Household.Interfaces {
		if !slices.Contains(s.next.Household.Interfaces, i.Name) {
			s.say("", "tunic", "what is behind %s is not the household's any more, and not protected", i.Name)
		}
	}
}

// named are the devices in force that have a file, with the policy of that.
func (s *summary) named() map[string]config.Device {
	all := make(map[string]config.Device)
	for _, d := range s.now.Household.Devices {
		policy := d.Policy
		if d.Until != nil {
			policy = d.Then
		}
		if d.Named == "file" {
			all[d.Name] = config.Device{Name: d.Name, MAC: d.MAC, Policy: config.Policy(policy)}
		}
	}
	return all
}

func (s *summary) devices() {
	now := s.named()
	for _, d := range s.next.Devices {
		was, there := now[d.Name]
		delete(now, d.Name)
		follows := d.Policy == s.next.Household.DefaultPolicy && string(was.Policy) == s.now.Household.DefaultPolicy
		switch {
		case !there || was.Policy != d.Policy && !follows:
			s.say("devices", d.Name, "%s %s", d.Name, policyWords[d.Policy])
		case was.MAC != d.MAC:
			s.say("devices", d.Name, "%s is the device with the address %s, and not %s any more", d.Name, d.MAC, was.MAC)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		mac := now[name].MAC
		if !slices.ContainsFunc(s.next.Devices, func(d config.Device) bool { return d.MAC == mac }) { // not renamed
			s.say("devices", name, "the file is gone: the device %s", policyWords[s.next.Household.DefaultPolicy])
		}
	}
}

// outside says what is reached outside Tor, by whom, and what is not any more.
func (s *summary) outside() {
	next := bypass.List(s.next, nil)
	in := func(list []api.Bypass, b api.Bypass) bool {
		return slices.ContainsFunc(list, func(o api.Bypass) bool { return o.To == b.To && slices.Equal(o.Devices, b.Devices) })
	}
	for _, b := range next {
		if !in(s.bypasses, b) {
			s.say("", "tunic", "%s is reached OUTSIDE TOR, for %s", b.To, config.Who(b.Devices))
		}
	}
	for _, b := range s.bypasses {
		if !in(next, b) {
			s.say("", "tunic", "%s is not reached outside Tor any more, for %s", b.To, config.Who(b.Devices))
		}
	}
}

// sayOnion is say of an onion. Those of the box's own may have no file: what is
// other of them comes from other files.
func (s *summary) sayOnion(name, format string, args ...any) {
	own := name == config.HomeOnion || name == config.StrangersOnion
	if own && !slices.ContainsFunc(s.next.Onions, func(o config.Onion) bool { return o.Name == name }) {
		s.lines = append(s.lines, fmt.Sprintf(format, args...))
		return
	}
	s.say("onions", name, format, args...)
}

func (s *summary) onions() {
	now := make(map[string]api.Onion)
	for _, o := range s.now.Onions {
		if o.Findable() {
			now[o.Name] = o
		}
	}
	for _, o := range s.next.AllOnions() {
		was, there := now[o.Name]
		invited := slices.ContainsFunc(was.Clients, func(c api.OnionClient) bool { return c.Invited })
		if s.next.Published(o) || invited { // invitations are in no file
			delete(now, o.Name)
			s.onion(o, was, there)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		s.sayOnion(name, "%s will not be published any more; its keys stay", name)
	}
}

// onion says what is other of one that is published after the reload.
func (s *summary) onion(o config.Onion, was api.Onion, there bool) {
	keys := s.next.ClientKeys(o)
	private := keys != nil
	whom := "for everybody who knows its address"
	if private {
		whom = "for those alone who are named"
	}
	if !there {
		s.sayOnion(o.Name, "%s will be published, %s", o.Name, whom)
		return
	}
	if private != was.Private {
		s.sayOnion(o.Name, "%s is from now on %s", o.Name, whom)
	} else {
		s.clients(o, keys, was)
	}
	switch {
	case o.Fast && was.Anonymous:
		s.sayOnion(o.Name, "%s is not anonymous any more: others can learn where this box is", o.Name)
	case !o.Fast && !was.Anonymous:
		s.sayOnion(o.Name, "%s is anonymous from now on", o.Name)
	}
	s.ports(o, was)
}

// clients says who can find an onion that could not, and the other way round.
func (s *summary) clients(o config.Onion, keys []string, was api.Onion) {
	var before []string
	for _, c := range was.Clients {
		before = append(before, c.Key)
		if !slices.Contains(keys, c.Key) && !c.Invited {
			s.sayOnion(o.Name, "%s cannot find %s any more", c.Name, o.Name)
		}
	}
	for _, key := range keys {
		if !slices.Contains(before, key) {
			s.sayOnion(o.Name, "%s can find %s", s.clientName(o, key), o.Name)
		}
	}
}

// clientName is what the files call the bearer of a key.
func (s *summary) clientName(o config.Onion, key string) string {
	for _, p := range s.next.Peers {
		if p.ClientKey == key {
			return p.Name
		}
	}
	i := slices.IndexFunc(o.Clients, func(c config.Client) bool { return c.Key == key })
	return o.Clients[max(i, 0)].Name()
}

func (s *summary) ports(o config.Onion, was api.Onion) {
	before := make(map[uint16]string)
	for _, p := range was.Ports {
		before[p.Port] = p.Target
	}
	for _, p := range o.Ports {
		target, there := before[p.Virtual]
		delete(before, p.Virtual)
		switch now := p.Target.String(); {
		case !there:
			s.sayOnion(o.Name, "port %d of %s will lead to %s", p.Virtual, o.Name, now)
		case target != now:
			s.sayOnion(o.Name, "port %d of %s will lead to %s, and not to %s any more", p.Virtual, o.Name, now, target)
		}
	}
	for _, p := range was.Ports {
		if _, gone := before[p.Port]; gone {
			s.sayOnion(o.Name, "port %d of %s will lead nowhere", p.Port, o.Name)
		}
	}
}

func (s *summary) friends() {
	now := make(map[string]bool)
	for _, p := range s.peers {
		now[p.Name] = p.State == api.PeerFriend
	}
	for _, p := range s.next.Peers {
		if !now[p.Name] {
			s.say("peers", p.Name, "the box of %s is a friend's", p.Name)
		}
		delete(now, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name] {
			s.say("peers", name, "the box of %s is no friend's any more, and does not reach this one", name)
		}
	}
}

// consequences are what the plan itself says in words.
func (s *summary) consequences(changes []string) {
	for _, line := range changes {
		word, rest, _ := strings.Cut(line, " ")
		server, isServer := strings.CutPrefix(rest, "server ")
		switch isServer = isServer && !strings.Contains(server, " "); {
		case word == "!":
			s.lines = append(s.lines, rest)
		case word == "+" && isServer:
			s.lines = append(s.lines, "the server "+server+" will run")
		case word == "-" && isServer:
			s.lines = append(s.lines, "the server "+server+" will end")
		}
	}
}
