package peer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/onion"
)

// Bounds of what a friend's box may make us remember.
const (
	MaxOffers        = 64
	MaxEndpoints     = 16
	MaxServices      = 64
	MaxIntroductions = 16 // of one friend, waiting for our owner
)

// Offer is an onion that a box has granted another, by the name that it has there.
type Offer struct {
	Name  string        `json:"name"`
	Onion onion.Address `json:"onion"`
	Since time.Time     `json:"since"` // it has been offered by that box all the time
}

// Introduction proposes a third box. The friend who makes it sends the same
// token to both, as if one had invited the other, and names the one certain box.
type Introduction struct {
	Token   Token         `json:"token"`
	Role    Role          `json:"role"` // of the box that is told
	Onion   onion.Address `json:"onion"`
	Name    string        `json:"name"` // what the friend calls the third box
	Expires time.Time     `json:"expires"`
}

// Seen is what a conversation with a friend's box has shown.
type Seen struct {
	At        time.Time     `json:"at"`
	RoundTrip time.Duration `json:"round_trip"` // 0: not measured
	Endpoints []string      `json:"endpoints"`
	Offers    []Offer       `json:"offers"`
	Services  []Service     `json:"services,omitempty"`
}

// Service is one that a friend's box lets this one use, with its own port, 0 for none.
type Service struct {
	Name string `json:"name"`
	Port uint16 `json:"port,omitempty"`
}

// Friend is what we know of a friend's box beside its file. It holds no secret.
type Friend struct {
	Seen
	Words string // the four words of the pairing, "" if the file was written by hand

	key    onion.ClientSecret // "" if the file was written by hand
	outbox []Introduction     // to be delivered
}

// friendKey is peers/NAME/key.json.
type friendKey struct {
	Onion  onion.Address      `json:"onion"`
	Secret onion.ClientSecret `json:"secret"`
	Words  string             `json:"words"`
}

func (b *Book) keyFile(name string) string { return filepath.Join(b.Paths.PeerKeys(name), "key.json") }
func (b *Book) seenFile(name string) string {
	return filepath.Join(b.Paths.PeerKeys(name), "seen.json")
}
func (b *Book) outboxFile(name string) string {
	return filepath.Join(b.Paths.PeerKeys(name), "outbox.json")
}

// SetPeers tells the Book who the configuration says our friends are.
func (b *Book) SetPeers(peers []config.Peer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(peers, b.peers) && len(b.damaged) == 0 {
		return nil
	}
	b.peers = slices.Clone(peers)
	friends, damaged := make(map[onion.Address]*Friend), make(map[onion.Address]bool)
	var errs []error
	for _, p := range peers {
		a := onion.Address(p.Onion)
		if friends[a] = b.friends[a]; friends[a] == nil || b.damaged[a] {
			f, err := b.readFriend(p)
			if err != nil {
				errs, damaged[a] = append(errs, err), true
			}
			friends[a] = f
		}
	}
	b.friends, b.damaged = friends, damaged
	maps.DeleteFunc(b.heard, func(a onion.Address, _ heard) bool { return friends[a] == nil })
	b.decide()
	return errors.Join(errs...)
}

// readFriend reads what is kept of a friend. Keys of another box, left from one
// that had the name before, are not used.
func (b *Book) readFriend(p config.Peer) (*Friend, error) {
	f := &Friend{}
	var key friendKey
	found, err := read(b.keyFile(p.Name), &key)
	if !found || string(key.Onion) != p.Onion {
		return f, err
	}
	f.key, f.Words = key.Secret, key.Words
	_, seenErr := read(b.seenFile(p.Name), &f.Seen)
	_, outErr := read(b.outboxFile(p.Name), &f.outbox)
	return f, errors.Join(err, seenErr, outErr)
}

// Friend returns what we know of a friend. Its offers are those in force.
func (b *Book) Friend(a onion.Address) Friend {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := Friend{}
	if b.friends[a] != nil {
		f = *b.friends[a]
	}
	f.Offers = b.granted.Offers[a]
	return f
}

// Granted is what friends have granted us, as far as it counts. Nobody writes to it: when
// anything of it may have changed the Book has another one.
type Granted struct {
	Offers map[onion.Address][]Offer // by the home of the friend
	Visits []Visit                   // the onions of friends, and the keys by which we find them: their homes first
}

// Granted returns what friends have granted us now.
func (b *Book) Granted() *Granted {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.granted
}

// visits are the Visits of these offers. None is there twice.
func (b *Book) visits(granted map[onion.Address][]Offer) []Visit {
	var homes, offers []Visit
	for _, p := range b.peers {
		a := onion.Address(p.Onion)
		f := b.friends[a]
		if f == nil || f.key == "" {
			continue
		}
		homes = append(homes, Visit{a, f.key})
		for _, o := range granted[a] {
			offers = append(offers, Visit{o.Onion, f.key})
		}
	}
	return append(homes, offers...)
}

// Called notes that a friend's box has spoken to us, or we to it: then it has
// its own key, and the invitation by which it came is of no more use.
func (b *Book) Called(who Key, s Seen, delivered []ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := who.Address()
	p, ok := b.peer(byOnion(a))
	f := b.friends[a]
	if !ok || f == nil {
		return NoFriend
	}
	next := *f
	next.Seen = b.checked(s, f.Seen)
	next.outbox = slices.DeleteFunc(slices.Clone(f.outbox), func(i Introduction) bool { return slices.Contains(delivered, i.Token.ID()) })
	err := save(b.seenFile(p.Name), next.Seen)
	if len(next.outbox) != len(f.outbox) {
		err = errors.Join(err, save(b.outboxFile(p.Name), next.outbox))
	}
	if err != nil {
		return fmt.Errorf("keeping what a friend's box said: %w", err)
	}
	b.friends[a] = &next
	b.decide()
	for _, q := range b.sorted() {
		if q.State == Finished && q.Onion == a {
			err = errors.Join(err, b.drop(q.Invite))
		}
	}
	return err
}

// checked drops what a friend's box may not say.
func (b *Book) checked(s, before Seen) Seen {
	s.At = b.Now().UTC()
	s.RoundTrip = cmp.Or(max(s.RoundTrip, 0), before.RoundTrip)
	taken := make(map[string]bool)
	s.Offers = slices.DeleteFunc(slices.Clone(s.Offers), func(o Offer) bool {
		bad := !b.foreign(o.Onion) || !ValidOffer(o.Name) || taken[o.Name]
		taken[o.Name] = true
		return bad
	})
	s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e string) bool { return !ValidOffer(e) })
	s.Offers = s.Offers[:min(len(s.Offers), MaxOffers)]
	for i, o := range s.Offers {
		s.Offers[i].Since = s.At
		if k := slices.IndexFunc(before.Offers, func(old Offer) bool { return old.Onion == o.Onion }); k >= 0 {
			s.Offers[i].Since = before.Offers[k].Since
		}
	}
	s.Endpoints = s.Endpoints[:min(len(s.Endpoints), MaxEndpoints)]
	s.Services = slices.DeleteFunc(slices.Clone(s.Services), func(v Service) bool { return !ValidOffer(v.Name) })
	s.Services = s.Services[:min(len(s.Services), MaxServices)]
	return s
}

// ValidOffer reports whether a name can be a label of a host name.
func ValidOffer(name string) bool {
	return config.CheckPetname(name) == nil
}

// Introduce sends two friends an invitation for each other.
func (b *Book) Introduce(first, second string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var pair [2]config.Peer
	for i, name := range []string{first, second} {
		p, ok := b.peer(byName(name))
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoFriend, name)
		}
		pair[i] = p
	}
	if first == second {
		return fmt.Errorf("%w: %s was named twice", ErrSame, first)
	}
	token, expires := newToken(), b.Now().Add(Lifetime).Truncate(time.Second).UTC()
	return errors.Join(
		b.post(pair[0], Introduction{Token: token, Role: Inviter, Onion: onion.Address(pair[1].Onion), Name: second, Expires: expires}),
		b.post(pair[1], Introduction{Token: token, Role: Invited, Onion: onion.Address(pair[0].Onion), Name: first, Expires: expires}))
}

// post puts an introduction where the next conversation takes it from.
func (b *Book) post(to config.Peer, i Introduction) error {
	f := b.friends[onion.Address(to.Onion)] // each peer has one
	next := *f
	next.outbox = slices.DeleteFunc(slices.Clone(f.outbox),
		func(o Introduction) bool { return o.Onion == i.Onion || b.Now().After(o.Expires) })
	next.outbox = append(next.outbox, i)
	if err := save(b.outboxFile(to.Name), next.outbox); err != nil {
		return fmt.Errorf("keeping an introduction: %w", err)
	}
	b.friends[onion.Address(to.Onion)] = &next
	return nil
}

// Outbox are the introductions that wait for a friend's box.
func (b *Book) Outbox(a onion.Address) []Introduction {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.friends[a]
	if f == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.outbox), func(i Introduction) bool { return b.Now().After(i.Expires) })
}

// Introduced keeps what a friend proposes until our owner says yes. What is
// known already, or too much, is dropped.
func (b *Book) Introduced(by Key, list []Introduction) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	friend, ok := b.peer(byOnion(by.Address()))
	if !ok {
		return NoFriend
	}
	for _, i := range list {
		if !b.welcome(friend.Name, i) {
			continue
		}
		p, err := newPairing(i.Role, Introduced, b.introducedName(i.Name, i.Onion), i.Token, i.Expires)
		if err != nil {
			return err
		}
		p.Onion, p.Pinned, p.By = i.Onion, true, friend.Name
		if err := b.change(p); err != nil {
			return err
		}
	}
	return nil
}

// welcome reports whether an introduction is to be shown to our owner.
func (b *Book) welcome(by string, i Introduction) bool {
	left := i.Expires.Sub(b.Now())
	if !b.foreign(i.Onion) || config.CheckPetname(i.Name) != nil ||
		i.Role != Inviter && i.Role != Invited || left <= 0 || left > Lifetime+time.Hour || b.pairings[i.Token.ID()] != nil {
		return false
	}
	waiting := 0
	for _, p := range b.pairings {
		if p.State == Introduced && p.By == by {
			waiting++
		}
	}
	return waiting < MaxIntroductions
}

// Rename moves what is kept of a friend. Call it before the configuration
// changes; the old place is gone afterwards.
func (b *Book) Rename(from, to string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := durable.RemoveAll(b.Paths.PeerKeys(to)) // of somebody who had the name before
	if err == nil {
		err = durable.Rename(b.Paths.PeerKeys(from), b.Paths.PeerKeys(to))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("moving what is kept of a friend: %w", err)
	}
	return nil
}

// Forget removes what is kept of a friend. Call it after the configuration has
// changed.
func (b *Book) Forget(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := durable.RemoveAll(b.Paths.PeerKeys(name)); err != nil {
		return fmt.Errorf("removing what is kept of a friend: %w", err)
	}
	return nil
}

// Renames says what is wrong with another name for a friend.
func (b *Book) Renames(from, to string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.peer(byName(from))
	if !ok {
		return fmt.Errorf("%w: %q", ErrNobody, from)
	}
	if from == to {
		return fmt.Errorf("%w: that is the name already", ErrTaken)
	}
	return b.free(to, onion.Address(p.Onion))
}
