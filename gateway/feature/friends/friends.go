// Package friends is other boxes as a feature: invitations, friends, what they offer,
// and the names that they have in this house.
package friends

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/tor"
)

// Sign signs a message with the key in an onion's directory.
type Sign func(dir string, owner feature.IDs, message []byte) (peer.Signature, error)

// Tor asks for the descriptors of friends' onions.
type Tor interface {
	Status() tor.Status
	// AskAgain ends what waits for an onion, by its host name, that has come back.
	AskAgain(ctx context.Context, host string)
}

// Server calls friends' boxes, and has the mail for them.
type Server interface {
	Status(ctx context.Context) (link.Status, error)
	// Mail asks about the queue of mail, or changes it.
	Mail(ctx context.Context, q link.MailQuestion) (link.MailAnswer, error)
}

// Parts are what the feature asks.
type Parts struct {
	Paths  config.Paths
	Owner  feature.IDs // of the keys: tor's user
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Sign   Sign
	Tor    Tor
	Server Server
}

// Feature answers api.Peers, and what serve has of other boxes.
type Feature struct {
	Parts
	host      feature.Host
	virtual   virtuals
	connected bool   // tor was, and there was an uplink, at the last pass
	returns   uint64 // how often it became so

	granted *peer.Granted // as of the last look
	named   []claim       // of that

	mu      sync.Mutex
	book    *peer.Book      // nil before the home onion has keys
	own     []onion.Address // every address of this box
	known   Known           // as of the last look
	invited []string        // client keys of those who have an invitation
}

var (
	_ feature.Feature = (*Feature)(nil)
	_ feature.Amender = (*Feature)(nil)
)

// Known is what is wanted of other boxes depends on.
type Known struct {
	Visits  []peer.Visit // onions of others, and the keys by which we find them
	Calls   []peer.Call
	Offers  map[onion.Address][]peer.Offer // what friends have granted us, by their home
	Outbox  map[onion.Address][]peer.Introduction
	Virtual map[onion.Address]uint16 // fixed numbers in the virtual ranges
	Returns uint64                   // how often this box has come back
}

// New returns the feature. Without a host it answers nobody.
func New(host feature.Host, p Parts) *Feature {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Feature{Parts: p, host: host, virtual: virtuals{path: virtualFile(p.Paths)},
		returns: uint64(time.Now().UnixNano())} // other than that of any daemon before
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "friends" }

// Answers says who answers what serve asks.
func (f *Feature) Answers(m *link.Mux) {
	link.Handle(m, link.Befriend, f.Pair)
	link.Handle(m, link.Hear, f.Met)
}

// Amend implements feature.Amender: those find home who have an invitation, for all
// that asks who may find an onion.
func (f *Feature) Amend(c *config.Config) *config.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return withInvited(c, f.invited)
}

// Look implements feature.Feature. It reads what is known of friends and
// invitations.
func (f *Feature) Look(ctx context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if !s.Foreseen {
		f.look(ctx, s, r)
	}
	f.mu.Lock()
	known := f.known
	f.mu.Unlock()
	return feature.Want(want, known)
}

// want wants friends called and let in, their names, and the keys by which they are found.
func want(s feature.Scene, d *feature.Desired, known Known) {
	addPeers(d, s, known)
	addNames(d, s, known)
	visit(&d.Tor, s, known)
}

func (f *Feature) look(ctx context.Context, s *feature.Scene, r *feature.Report) {
	f.comeBack(s.TorNow, s.Surroundings)
	home, ok := s.Addresses[config.HomeOnion]
	if !ok { // its keys are at fault, which is a finding already
		f.learn(Known{})
		return
	}
	book, err := f.openBook(home, s.Own)
	if err != nil {
		r.Find(health.FriendsUnusable, "", "what is kept of friends: %v", err)
	}
	if err := book.SetPeers(s.Config.Peers); err != nil {
		r.Find(health.FriendsUnusable, "", "reading what is known of friends: %v", err)
	}
	f.listen(ctx, book, r)
	if _, err := book.Tidy(); err != nil {
		r.Find(health.FriendsUnusable, "", "what is kept of friends: %v", err)
	}
	s.Config = f.invite(s.Config, book.Clients())
	if o, _ := s.Config.Onion(config.HomeOnion); !s.Config.Findable(o) {
		r.Find(health.HomePrivate, config.HomeOnion, "the onion home is private and nobody is invited, so it is not published")
	}
	granted := book.Granted()
	known := f.read(book, granted, s)
	if f.granted != granted { // with other friends there is another one, too
		f.granted, f.named = granted, named(s.Config, known)
	}
	if err := f.virtual.number(f.named); err != nil {
		r.Find(health.NamesUnusable, "", "friends have no names: %v", err)
	}
	known.Virtual = f.virtual.numbers()
	f.learn(known)
}

func (f *Feature) learn(known Known) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = known
}

// read takes out of the book what is wanted.
func (f *Feature) read(book *peer.Book, granted *peer.Granted, s *feature.Scene) Known {
	k := Known{Visits: granted.Visits, Calls: book.Calls(), Returns: f.returns, Offers: granted.Offers,
		Outbox: make(map[onion.Address][]peer.Introduction, len(s.Config.Peers))}
	if invited := book.Visits(); len(invited) > 0 {
		k.Visits = slices.Concat(invited, granted.Visits)
	}
	s.Heard, s.Offered = make(map[onion.Address]time.Time), make(map[onion.Address][]link.ServiceOffer)
	for _, p := range s.Config.Peers {
		who := onion.Address(p.Onion)
		friend := book.Friend(who)
		k.Outbox[who] = book.Outbox(who)
		if !friend.At.IsZero() {
			s.Heard[who] = friend.At
		}
		for _, v := range friend.Services {
			s.Offered[who] = append(s.Offered[who], link.ServiceOffer(v))
		}
	}
	return k
}

// invite keeps whose invitations are open, and returns the configuration with them.
func (f *Feature) invite(c *config.Config, clients []onion.ClientKey) *config.Config {
	var keys []string
	for _, k := range clients {
		keys = append(keys, string(k))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.invited = keys
	return withInvited(c, keys)
}

func withInvited(c *config.Config, keys []string) *config.Config {
	if slices.Equal(c.Invited, keys) {
		return c
	}
	changed := *c
	changed.Invited = keys
	return &changed
}

// openBook returns the book of this box, which it reads at first. own are all
// addresses of this box.
func (f *Feature) openBook(home onion.Address, own []onion.Address) (*peer.Book, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own = own
	if f.book != nil && f.book.Self == home {
		f.book.SetOwn(own)
		return f.book, f.book.Reread()
	}
	book, err := peer.OpenBook(peer.Options{Paths: f.Paths, Now: func() time.Time { return f.Now() }, Self: home,
		Sign: func(message []byte) (peer.Signature, error) {
			return f.Sign(f.Paths.OnionKeys(config.HomeOnion), f.Owner, message)
		}})
	book.SetOwn(own)
	f.book = book
	return book, err
}

// named are the onions that have names of their own, and whose box says so:
// friends' homes, then what they have granted us. None is there twice.
func named(c *config.Config, f Known) []claim {
	n := len(c.Peers)
	for _, offers := range f.Offers {
		n += len(offers)
	}
	list, there := make([]claim, 0, n), make(map[onion.Address]bool, n)
	add := func(a onion.Address, p config.Peer) {
		if !there[a] {
			list = append(list, claim{a, onion.Address(p.Onion)})
		}
		there[a] = true
	}
	for _, p := range c.Peers {
		add(onion.Address(p.Onion), p)
	}
	for _, p := range c.Peers {
		for _, o := range f.Offers[onion.Address(p.Onion)] {
			add(o.Onion, p)
		}
	}
	return list
}

// addPeers tells serve whom to call and who may call.
func addPeers(d *feature.Desired, s feature.Scene, known Known) {
	home, ok := s.Addresses[config.HomeOnion]
	if !ok {
		return
	}
	p := &link.Peers{Self: link.Key(peer.KeyOf(home))}
	for _, old := range s.Former[config.HomeOnion] {
		p.Former = append(p.Former, link.Key(peer.KeyOf(old)))
	}
	for _, c := range known.Calls {
		p.Calls = append(p.Calls, link.Call{Invite: c.Invite, Onion: link.Key(c.Onion), Commit: link.Key(c.Commit)})
	}
	onions := s.Onions() // for all of them once
	for _, friend := range s.Config.Peers {
		who := onion.Address(friend.Onion)
		f := link.Friend{Onion: link.Key(peer.KeyOf(who)), Return: known.Returns, Offers: offersTo(s, onions, friend),
			Services: servicesFor(s.Config, friend)}
		for _, e := range s.Config.Endpoints {
			f.Endpoints = append(f.Endpoints, e.Name)
		}
		for _, i := range known.Outbox[who] {
			f.Introduced = append(f.Introduced, link.Introduction{Token: i.Token, Role: uint8(i.Role), Onion: link.Key(peer.KeyOf(i.Onion)),
				Name: i.Name, Expires: i.Expires.Unix()})
		}
		p.Friends = append(p.Friends, f)
	}
	d.Serve.Peers = p
}

// offersTo are the onions that name a friend among those who may find them.
func offersTo(s feature.Scene, onions []config.Onion, friend config.Peer) []link.Offer {
	var list []link.Offer
	for _, o := range onions {
		if o.Name != config.HomeOnion && lets(o, friend) && peer.ValidOffer(o.Name) && len(list) < peer.MaxOffers {
			list = append(list, link.Offer{Name: o.Name, Onion: link.Key(peer.KeyOf(s.Addresses[o.Name]))})
		}
	}
	return list
}

// servicesFor are those that name a friend, and those that all have.
func servicesFor(c *config.Config, friend config.Peer) (list []link.ServiceOffer) {
	if c.Inbox.Quota > 0 {
		list = append(list, link.ServiceOffer{Name: config.DropService})
	}
	if c.Gateway.Talk {
		list = append(list, link.ServiceOffer{Name: config.TalkService})
	}
	for _, s := range c.Services {
		if slices.Contains(s.Friends, friend.Name) && len(list) < peer.MaxServices {
			list = append(list, link.ServiceOffer{Name: s.Name, Port: s.Port})
		}
	}
	return list
}

// addNames gives every name that has a meaning in this house its addresses.
func addNames(d *feature.Desired, s feature.Scene, known Known) {
	if home, ok := s.Addresses[config.HomeOnion]; ok {
		d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Onion: link.Key(peer.KeyOf(home)), Box: true})
	}
	add := func(label string, a onion.Address) {
		if n, ok := known.Virtual[a]; ok {
			d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Label: label, Onion: link.Key(peer.KeyOf(a)),
				Addrs: virtualAddrs(s.Ranges, n)})
		}
	}
	for _, p := range s.Config.Peers {
		add(p.Name, onion.Address(p.Onion))
		for _, o := range known.Offers[onion.Address(p.Onion)] {
			add(o.Name+"."+p.Name, o.Onion)
		}
	}
}

// comeBack notes that this box can reach others again, after a start, an uplink that
// was gone or a clock that jumped: friends are told, those who were away too.
func (f *Feature) comeBack(t tor.Status, around feature.Surroundings) {
	if connected := t.Bootstrap == 100 && t.Circuits && !around.NoWayOut(); connected != f.connected {
		f.connected = connected
		if connected {
			f.returns++
		}
	}
}

// writePeer makes the configuration, on the disk and in force, name a friend.
func (f *Feature) writePeer(p config.Peer) error {
	if err := config.WritePeer(f.Paths, p); err != nil {
		return err
	}
	f.setPeers(func(list []config.Peer) []config.Peer {
		list = slices.DeleteFunc(list, func(old config.Peer) bool { return old.Name == p.Name || old.Onion == p.Onion })
		return append(list, p)
	})
	f.Log.Info("a friend's box is known", "peer", p.Name)
	return nil
}

// regrant changes the name of a client in the onions that are in force; "" takes
// the client out, so that whoever gets the name later gets nothing with it.
func (f *Feature) regrant(from, to string) {
	f.host.Adopt(func(c config.Config) config.Config {
		c.Onions = slices.Clone(c.Onions)
		for i, o := range c.Onions {
			c.Onions[i].Clients = renamed(o.Clients, from, to)
		}
		c.Services = slices.Clone(c.Services)
		for i, s := range c.Services {
			c.Services[i].Friends = withFriend(s.Friends, from, to)
		}
		return c
	})
}

func renamed(clients []config.Client, from, to string) (list []config.Client) {
	for _, client := range clients {
		switch {
		case client.Peer != from:
			list = append(list, client)
		case to != "":
			list = append(list, config.Client{Peer: to})
		}
	}
	return list
}

// withFriend is a list of friends with another name in it, or "" for one less.
func withFriend(friends []string, from, to string) []string {
	i := slices.Index(friends, from)
	if i < 0 {
		return friends
	}
	friends = slices.Delete(slices.Clone(friends), i, i+1)
	if to != "" {
		friends = append(friends, to)
	}
	return friends
}

// setPeers changes the friends in the configuration that is in force, without
// taking in what else its owner may be writing.
func (f *Feature) setPeers(change func([]config.Peer) []config.Peer) {
	f.host.Adopt(func(c config.Config) config.Config {
		c.Peers = change(slices.Clone(c.Peers))
		slices.SortFunc(c.Peers, func(a, b config.Peer) int { return cmp.Compare(a.Name, b.Name) })
		return c
	})
}

// errNoBook is for the moments before the box has its keys.
var errNoBook = fmt.Errorf("this box has no home onion yet: see `tunic status`")

func (f *Feature) theBook() (*peer.Book, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.book == nil {
		return nil, errNoBook
	}
	return f.book, nil
}

// visit gives tor the keys by which it finds onions, one for each, and the fixed
// addresses of those that have a name. The first key counts: our own for our
// onions, then that of an invitation that we have accepted (it comes before that
// of a friend who forgot us), then those of friends.
func visit(spec *tor.Spec, s feature.Scene, known Known) {
	seen := make(map[onion.Address]bool)
	for _, a := range spec.Auth {
		seen[a.Onion] = true
	}
	for _, v := range known.Visits {
		if !seen[v.Onion] {
			spec.Auth = append(spec.Auth, tor.Auth{Onion: v.Onion, Key: v.Key})
		}
		seen[v.Onion] = true
	}
	mapped := named(s.Config, known)
	slices.SortFunc(mapped, func(x, y claim) int { return cmp.Compare(x.Onion, y.Onion) })
	for _, m := range mapped {
		n, ok := known.Virtual[m.Onion]
		if !ok {
			continue
		}
		for _, virtual := range virtualAddrs(s.Ranges, n) {
			spec.Maps = append(spec.Maps, tor.Map{Virtual: virtual, Onion: m.Onion})
		}
	}
}

// lets reports whether an onion names a friend among those who may find it.
func lets(o config.Onion, friend config.Peer) bool {
	return o.Private && slices.ContainsFunc(o.Clients, func(c config.Client) bool { return c.Peer == friend.Name })
}
