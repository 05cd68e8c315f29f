package peer

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"tunic/gateway/onion"
)

// The rule (docs/decisions/0060): a friend's box speaks for itself alone. What
// it says can change what is kept of it, and nothing that is kept of this box or
// of another friend. All that a friend's box has a say in goes by what is in
// this file:
//
//   - an onion that it offers is no address of this box, no friend's home, and
//     none that another friend offered first (decide);
//   - a box that it introduces is neither (foreign), and takes no name that
//     somebody has or may get (introducedName);
//   - what it says of its own accord is looked at once a minute, and some words
//     sooner if it has been silent for as many minutes (Heard).

// What a friend's box says of its own accord is looked at once in HelloEvery,
// HelloBurst times at once after as many such times without a word: grants that
// come together are known at once. The last that it has said in between waits, in memory.
const (
	HelloEvery = time.Minute
	HelloBurst = 4
)

// Word is what a friend's box has said in one conversation.
type Word struct {
	Seen                      // RoundTrip is 0 if that box has called us
	Delivered  []ID           // introductions that it has got
	Introduced []Introduction // what it proposes
}

// heard is how much of a friend's box's allowance is used, and what it said since.
type heard struct {
	full time.Time // when it has HelloBurst words again
	late *Word
}

// wait is how long it is until one more word is taken, 0 if it is taken now.
func (h heard) wait(now time.Time) time.Duration {
	return max(0, h.full.Sub(now.Add((HelloBurst-1)*HelloEvery)))
}

// used is what is left of an allowance after one more word.
func (h heard) used(now time.Time) heard {
	if h.full.Before(now) {
		h.full = now
	}
	return heard{full: h.full.Add(HelloEvery)}
}

// SetOwn tells the Book all addresses of this box beside home: every onion,
// published or not, under each address that it has or had.
func (b *Book) SetOwn(own []onion.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := make(map[onion.Address]bool)
	for _, a := range own {
		next[a] = true
	}
	if maps.Equal(next, b.own) {
		return
	}
	b.own = next
	b.decide()
}

// ours reports whether an address is one of this box.
func (b *Book) ours(a onion.Address) bool { return a == b.Self || b.own[a] }

// foreign reports whether an address is neither of this box nor a friend's home.
func (b *Book) foreign(a onion.Address) bool {
	_, home := b.peer(byOnion(a))
	return !home && b.strange(a)
}

// strange is foreign for an address that is no friend's home.
func (b *Book) strange(a onion.Address) bool {
	_, err := onion.Parse(string(a))
	return err == nil && !b.ours(a)
}

// decide says which offers are in force. It looks at all of them whenever
// friends, addresses or offers change: an offer that was good once can have
// become that of a friend's home. An onion that several offer is granted by the
// one who began first; the others are refused, and change nothing.
func (b *Book) decide() {
	type claim struct {
		Offer
		by onion.Address
	}
	var claims []claim
	homes := make(map[onion.Address]bool, len(b.peers))
	for _, p := range b.peers {
		homes[onion.Address(p.Onion)] = true
		if f := b.friends[onion.Address(p.Onion)]; f != nil {
			for _, o := range f.Offers {
				claims = append(claims, claim{o, onion.Address(p.Onion)})
			}
		}
	}
	slices.SortStableFunc(claims, func(x, y claim) int { return x.Since.Compare(y.Since) })
	first := make(map[onion.Address]onion.Address)
	granted := make(map[onion.Address][]Offer)
	for _, c := range claims {
		if homes[c.Onion] || !b.strange(c.Onion) {
			continue
		}
		first[c.Onion] = cmp.Or(first[c.Onion], c.by)
		if first[c.Onion] == c.by {
			granted[c.by] = append(granted[c.by], c.Offer)
		}
	}
	b.granted = &Granted{granted, b.visits(granted)}
}

// Heard notes what a friend's box has said. What it says in answer to our call
// is taken at once, since only we decide when we call. What it says in its own
// call is taken if its allowance has a word left (HelloBurst); else it waits, in the
// place of what waited before, and again says when to ask for it by Late: 0 if
// that was said already. taken is false for a word that waits. Introductions, which a
// box says once, are never lost with the word that they came in, nor when a word cannot be kept:
// it waits then too.
func (b *Book) Heard(who Key, w Word) (taken bool, again time.Duration, err error) {
	w, wait, again := b.mustWait(who.Address(), w)
	if wait {
		return false, again, nil
	}
	err = b.take(who, w)
	return err == nil, 0, err
}

// waits has a word that could not be kept wait for the next Late, behind what waits already.
func (b *Book) waits(a onion.Address, w Word) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.heard[a]
	if h.late != nil {
		w = h.late.after(&w)
	}
	h.late = &w
	b.heard[a] = h
}

func (b *Book) mustWait(a onion.Address, w Word) (_ Word, wait bool, again time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, now := b.heard[a], b.Now()
	left := h.wait(now)
	switch _, known := b.peer(byOnion(a)); {
	case !known: // Called says so
		return w, false, 0
	case w.RoundTrip > 0:
		w, h.late = w.after(h.late), nil
	case left > 0:
		if h.late == nil {
			again = left
		}
		w, wait = w.after(h.late), true
		h.late = &w
	default:
		w, h = w.after(h.late), h.used(now)
	}
	b.heard[a] = h
	return w, wait, again
}

// maxWaiting bounds what waits of one friend's words beside the last one.
const maxWaiting = 64

// after is the word with what an older one, which was not taken, has said for
// the only time: introductions, and which of ours arrived.
func (w Word) after(older *Word) Word {
	if older == nil {
		return w
	}
	last := func(n int) int { return max(n-maxWaiting, 0) }
	w.Introduced = slices.Concat(older.Introduced, w.Introduced)
	w.Introduced = w.Introduced[last(len(w.Introduced)):]
	w.Delivered = slices.Concat(older.Delivered, w.Delivered)
	w.Delivered = w.Delivered[last(len(w.Delivered)):]
	return w
}

// Late takes the words that have waited long enough, and returns whose they were.
func (b *Book) Late() (from []onion.Address, err error) {
	for a, w := range b.due() {
		failed := b.take(KeyOf(a), *w)
		err = errors.Join(err, failed)
		if failed == nil {
			from = append(from, a)
		}
	}
	return from, err
}

// due are the words whose time has come.
func (b *Book) due() map[onion.Address]*Word {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make(map[onion.Address]*Word)
	for a, h := range b.heard {
		if now := b.Now(); h.late != nil && h.wait(now) == 0 {
			list[a], b.heard[a] = h.late, h.used(now)
		}
	}
	return list
}

func (b *Book) take(who Key, w Word) error {
	err := b.Called(who, w.Seen, w.Delivered)
	if err == nil {
		err = b.Introduced(who, w.Introduced)
	}
	if err != nil && !errors.Is(err, NoFriend) {
		b.waits(who.Address(), w)
	}
	return err
}

// introducedName is a name for a box that is introduced, as near to the
// proposed one as can be: no friend has it, and nothing under way.
func (b *Book) introducedName(proposed string, who onion.Address) string {
	name := proposed
	for n := 2; ; n++ {
		p, friend := b.peer(byName(name))
		q := b.named(name)
		if (!friend || p.Onion == string(who)) && (q == nil || q.Onion == who) {
			return name
		}
		name = numbered(proposed, n)
	}
}
