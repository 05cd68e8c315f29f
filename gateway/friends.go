package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/tor"
)

// Friends are what the desired state needs to know of other boxes.
type Friends struct {
	Visits  []peer.Visit // onions of others, and the keys by which we find them
	Calls   []peer.Call
	Offers  map[onion.Address][]peer.Offer // what friends have granted us, by their home
	Outbox  map[onion.Address][]peer.Introduction
	Virtual map[onion.Address]uint16 // fixed numbers in the virtual ranges
	Returns uint64                   // how often this box has come back
}

// Sign signs a message with the key in an onion's directory.
type Sign func(dir string, owner IDs, message []byte) (peer.Signature, error)

// meet reads what is known of friends and invitations.
func (a *attempt) meet(ctx context.Context) bool {
	a.comeBack(a.Tor.Status().Bootstrap)
	home, ok := a.in.Addresses[config.HomeOnion]
	if !ok {
		return true // its keys are at fault, which is a finding already
	}
	a.selves = a.ownAddresses()
	book, err := a.openBook(home)
	if err != nil {
		a.find(health.FriendsUnusable, "", "what is kept of friends: %v", err)
	}
	if err := book.SetPeers(a.in.Config.Peers); err != nil {
		a.find(health.FriendsUnusable, "", "reading what is known of friends: %v", err)
	}
	a.listen(ctx, book)
	if _, err := book.Tidy(); err != nil {
		a.find(health.FriendsUnusable, "", "what is kept of friends: %v", err)
	}
	a.invite(book.Clients())
	f := Friends{Visits: book.Visits(), Calls: book.Calls(), Returns: a.returns,
		Offers: make(map[onion.Address][]peer.Offer), Outbox: make(map[onion.Address][]peer.Introduction)}
	f.Visits = append(f.Visits, book.FriendVisits()...)
	a.in.Heard = make(map[onion.Address]time.Time)
	for _, p := range a.in.Config.Peers {
		who := onion.Address(p.Onion)
		friend := book.Friend(who)
		f.Offers[who], f.Outbox[who] = friend.Offers, book.Outbox(who)
		if !friend.At.IsZero() {
			a.in.Heard[who] = friend.At
		}
	}
	if err := a.virtual.number(named(a.in.Config, f)); err != nil {
		a.find(health.NamesUnusable, "", "friends have no names: %v", err)
	}
	f.Virtual = a.virtual.numbers()
	a.in.Friends = f
	for _, o := range a.in.Config.AllOnions() {
		if keys := a.in.Config.ClientKeys(o); a.in.Addresses[o.Name] != "" && keys != nil && len(keys) == 0 {
			a.findNobody(o)
		}
	}
	return true
}

// invite lets those find home who have an invitation. The keys go into the
// configuration that is in force, so that all that asks who may find an onion
// knows of them.
func (a *attempt) invite(clients []onion.ClientKey) {
	var keys []string
	for _, k := range clients {
		keys = append(keys, string(k))
	}
	a.in.Config = withInvited(a.in.Config, keys)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view.config = withInvited(a.view.config, keys)
}

func withInvited(c *config.Config, keys []string) *config.Config {
	if slices.Equal(c.Invited, keys) {
		return c
	}
	changed := *c
	changed.Invited = keys
	return &changed
}

// openBook returns the book of this box, which it reads at first.
func (g *Gateway) openBook(home onion.Address) (*peer.Book, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.book != nil && g.book.Self == home {
		g.book.SetOwn(g.selves)
		return g.book, nil
	}
	book, err := peer.OpenBook(peer.Options{Paths: g.Paths, Now: time.Now, Self: home, Sign: func(message []byte) (peer.Signature, error) {
		return g.Sign(g.Paths.OnionKeys(config.HomeOnion), g.TorIDs, message)
	}})
	book.SetOwn(g.selves)
	g.book = book
	return book, err
}

// named are the onions that have names of their own, and whose box says so:
// friends' homes, then what they have granted us. None is there twice.
func named(c *config.Config, f Friends) []claim {
	var list []claim
	there := make(map[onion.Address]bool)
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
func addPeers(d *Desired, in Inputs) {
	home, ok := in.Addresses[config.HomeOnion]
	if !ok {
		return
	}
	p := &link.Peers{Self: link.Key(peer.KeyOf(home))}
	for _, old := range in.Former[config.HomeOnion] {
		p.Former = append(p.Former, link.Key(peer.KeyOf(old)))
	}
	for _, c := range in.Friends.Calls {
		p.Calls = append(p.Calls, link.Call{Invite: c.Invite, Onion: link.Key(c.Onion), Commit: link.Key(c.Commit)})
	}
	for _, friend := range in.Config.Peers {
		who := onion.Address(friend.Onion)
		f := link.Friend{Onion: link.Key(peer.KeyOf(who)), Return: in.Friends.Returns, Offers: offersTo(in, friend)}
		for _, e := range in.Config.Endpoints {
			f.Endpoints = append(f.Endpoints, e.Name)
		}
		for _, i := range in.Friends.Outbox[who] {
			f.Introduced = append(f.Introduced, link.Introduction{Token: i.Token, Role: uint8(i.Role), Onion: link.Key(peer.KeyOf(i.Onion)), Name: i.Name, Expires: i.Expires.Unix()})
		}
		p.Friends = append(p.Friends, f)
	}
	d.Serve.Peers = p
}

// offersTo are the onions that name a friend among those who may find them.
func offersTo(in Inputs, friend config.Peer) []link.Offer {
	var list []link.Offer
	for _, o := range onions(in) {
		if o.Name != config.HomeOnion && lets(o, friend) && peer.ValidOffer(o.Name) && len(list) < peer.MaxOffers {
			list = append(list, link.Offer{Name: o.Name, Onion: link.Key(peer.KeyOf(in.Addresses[o.Name]))})
		}
	}
	return list
}

// addNames gives every name that has a meaning in this house its addresses.
func addNames(d *Desired, in Inputs) {
	if home, ok := in.Addresses[config.HomeOnion]; ok {
		d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Onion: link.Key(peer.KeyOf(home)), Box: true})
	}
	add := func(label string, a onion.Address) {
		if n, ok := in.Friends.Virtual[a]; ok {
			d.Serve.DNS.Names = append(d.Serve.DNS.Names, link.Name{Label: label, Onion: link.Key(peer.KeyOf(a)), Addrs: virtualAddrs(in.Ranges, n)})
		}
	}
	for _, p := range in.Config.Peers {
		add(p.Name, onion.Address(p.Onion))
		for _, o := range in.Friends.Offers[onion.Address(p.Onion)] {
			add(o.Name+"."+p.Name, o.Onion)
		}
	}
}

// comeBack notes that Tor is connected again: friends are told.
func (g *Gateway) comeBack(bootstrap int) {
	if connected := bootstrap == 100; connected != g.connected {
		g.connected = connected
		if connected {
			g.returns++
		}
	}
}

// writePeer makes the configuration, on the disk and in force, name a friend.
func (g *Gateway) writePeer(p config.Peer) error {
	if err := config.WritePeer(g.Paths, p); err != nil {
		return err
	}
	g.setPeers(func(list []config.Peer) []config.Peer {
		list = slices.DeleteFunc(list, func(old config.Peer) bool { return old.Name == p.Name || old.Onion == p.Onion })
		return append(list, p)
	})
	g.Log.Info("a friend's box is known", "peer", p.Name)
	return nil
}

// regrant changes the name of a client in the onions that are in force; "" takes
// the client out, so that whoever gets the name later gets nothing with it.
func (g *Gateway) regrant(from, to string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := *g.view.config
	c.Onions = slices.Clone(c.Onions)
	for i, o := range c.Onions {
		var clients []config.Client
		for _, client := range o.Clients {
			switch {
			case client.Peer != from:
				clients = append(clients, client)
			case to != "":
				clients = append(clients, config.Client{Peer: to})
			}
		}
		c.Onions[i].Clients = clients
	}
	g.view.config = &c
}

// setPeers changes the friends in the configuration that is in force, without
// taking in what else its owner may be writing.
func (g *Gateway) setPeers(change func([]config.Peer) []config.Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := *g.view.config
	c.Peers = change(slices.Clone(c.Peers))
	slices.SortFunc(c.Peers, func(a, b config.Peer) int { return cmp.Compare(a.Name, b.Name) })
	g.view.config = &c
}

// errNoBook is for the moments before the box has its keys.
var errNoBook = fmt.Errorf("this box has no home onion yet: see `tunic status`")

func (g *Gateway) theBook() (*peer.Book, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.book == nil {
		return nil, errNoBook
	}
	return g.book, nil
}

// visit gives tor the keys by which it finds onions, one for each, and the fixed
// addresses of those that have a name. The first key counts: our own for our
// onions, then that of an invitation that we have accepted (it comes before that
// of a friend who forgot us), then those of friends.
func visit(spec *tor.Spec, in Inputs) {
	seen := make(map[onion.Address]bool)
	visitSelf(spec, in)
	for _, a := range spec.Auth {
		seen[a.Onion] = true
	}
	for _, v := range in.Friends.Visits {
		if !seen[v.Onion] {
			spec.Auth = append(spec.Auth, tor.Auth{Onion: v.Onion, Key: v.Key})
		}
		seen[v.Onion] = true
	}
	mapped := named(in.Config, in.Friends)
	slices.SortFunc(mapped, func(x, y claim) int { return cmp.Compare(x.Onion, y.Onion) })
	for _, m := range mapped {
		n, ok := in.Friends.Virtual[m.Onion]
		if !ok {
			continue
		}
		for _, virtual := range virtualAddrs(in.Ranges, n) {
			spec.Maps = append(spec.Maps, tor.Map{Virtual: virtual, Onion: m.Onion})
		}
	}
}

// lets reports whether an onion names a friend among those who may find it.
func lets(o config.Onion, friend config.Peer) bool {
	return o.Private && slices.ContainsFunc(o.Clients, func(c config.Client) bool { return c.Peer == friend.Name })
}
