package peer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// circle is a box with two friends, alice and bob.
func circle(t *testing.T) (h, alice, bob *house) {
	t.Helper()
	h, alice, bob = newHouse(t, 0), newHouse(t, 1), newHouse(t, 2)
	for name, friend := range map[string]*house{"alice": alice, "bob": bob} {
		i, err := h.Invite(name, "me", true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := friend.Accept(i, ""); err != nil {
			t.Fatal(err)
		}
		if err := converse(h, friend, always); err != nil {
			t.Fatal(err)
		}
		says(t, h, friend)
	}
	return h, alice, bob
}

func says(t *testing.T, h, friend *house, offers ...Offer) {
	t.Helper()
	h.now = h.now.Add(time.Hour)
	if taken, _, err := h.Heard(friend.key(), Word{Seen: Seen{Offers: offers}}); err != nil || !taken {
		t.Fatalf("taken: %v, %v", taken, err)
	}
}

func offer(seed byte) Offer {
	a, _ := box(seed)
	return Offer{Name: fmt.Sprintf("o%d", seed), Onion: a}
}

// grants are the names of what a friend's box has granted, as far as it counts.
func (h *house) grants(friend *house) (names []string) {
	for _, o := range h.Friend(friend.Self).Offers {
		names = append(names, o.Name)
	}
	return names
}

// An offer names no address of this box, no friend's home, and nothing that
// another friend offered first, whoever says what when.
func TestOffersThatAreRefused(t *testing.T) {
	h, alice, bob := circle(t)
	own, _ := box(7)
	h.SetOwn([]onion.Address{own})
	says(t, h, bob, offer(5))
	says(t, h, alice, Offer{Name: "self", Onion: h.Self}, offer(7), offer(5), Offer{Name: "home", Onion: bob.Self},
		Offer{Name: "mine", Onion: alice.Self}, offer(6), offer(8))
	var last *Granted
	check := func(when string, ofAlice, ofBob []string) {
		t.Helper()
		g := h.Granted()
		if g == last || !reflect.DeepEqual(g.Visits, h.visits(g.Offers)) {
			t.Errorf("%s: what is known of it is out of date", when)
		}
		last = g
		if a, b := h.grants(alice), h.grants(bob); !slices.Equal(a, ofAlice) || !slices.Equal(b, ofBob) {
			t.Errorf("%s: alice grants %v, bob %v", when, a, b)
		}
	}
	check("at first", []string{"o6", "o8"}, []string{"o5"})
	says(t, h, bob, offer(5), offer(6))
	check("bob offers what alice offered first", []string{"o6", "o8"}, []string{"o5"})
	h.restart()
	h.SetOwn([]onion.Address{own})
	check("after a restart", []string{"o6", "o8"}, []string{"o5"})
	eight, _ := box(8)
	h.SetOwn([]onion.Address{own, eight})
	check("with an address that has become this box's", []string{"o6"}, []string{"o5"})
	says(t, h, alice)
	check("alice offers it no more", nil, []string{"o5", "o6"})
	says(t, h, alice, offer(6))
	check("alice offers it again", nil, []string{"o5", "o6"})
	carol := newHouse(t, 6) // what bob offered becomes a friend's home
	i, err := h.Invite("carol", "me", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := carol.Accept(i, ""); err != nil {
		t.Fatal(err)
	}
	if err := converse(h, carol, always); err != nil {
		t.Fatal(err)
	}
	check("with a friend at that address", nil, []string{"o5"})
	seen := make(map[onion.Address]onion.ClientSecret)
	for _, v := range h.Granted().Visits {
		if seen[v.Onion] != "" {
			t.Errorf("two keys for one onion")
		}
		seen[v.Onion] = v.Key
	}
	if k, err := seen[carol.Self].Public(); err != nil || seen[carol.Self] == seen[bob.Self] ||
		!slices.ContainsFunc(carol.peers, func(p config.Peer) bool { return p.ClientKey == string(k) }) {
		t.Errorf("carol's home is found by another key than its own: %v", err)
	}
	i.Token, i.Onion, i.Expires = newToken(), own, h.now.Add(time.Hour)
	if _, err := h.Accept(i, "me"); !errors.Is(err, ErrOwn) {
		t.Errorf("accepting an invitation to an own onion: %v", err)
	}
}

// What a friend says in its own calls is looked at once a minute when it says it
// all the time; the last of it is not lost. What it answers to our call is taken at once.
func TestHellosAreTakenOnceAMinute(t *testing.T) {
	h, alice, bob := circle(t)
	says(t, h, alice, offer(5))
	file := h.seenFile("alice")
	said := func(friend *house, o Offer, roundTrip time.Duration) (bool, time.Duration) {
		taken, again, err := h.Heard(friend.key(),
			Word{Seen: Seen{Offers: []Offer{o}, RoundTrip: roundTrip}, Introduced: []Introduction{introduction(h, 9)}})
		if err != nil {
			t.Fatal(err)
		}
		return taken, again
	}
	for i := range HelloBurst - 1 {
		if taken, _, err := h.Heard(alice.key(), Word{Seen: Seen{Offers: []Offer{offer(byte(10 + i))}}}); err != nil || !taken {
			t.Fatalf("hello %d of a box that was silent: taken %v, %v", i, taken, err)
		}
	}
	if got := h.grants(alice); !slices.Equal(got, []string{"o12"}) {
		t.Errorf("at once alice grants %v", got)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(20 * time.Second)
	for i := range 100 {
		taken, again := said(alice, offer(byte(10+i%20)), 0)
		if want := 40 * time.Second; taken || (again == want) != (i == 0) || i > 0 && again != 0 {
			t.Fatalf("hello %d: taken %v, again in %v", i, taken, again)
		}
	}
	after, err := os.Stat(file)
	if err != nil || !os.SameFile(before, after) || len(h.Pairings()) != 0 {
		t.Errorf("what came too soon was written: %v, %v", h.Pairings(), err)
	}
	if from, err := h.Late(); len(from) != 0 || err != nil {
		t.Errorf("taken too soon: %v, %v", from, err)
	}
	if taken, _ := said(bob, offer(6), 0); !taken {
		t.Error("bob waits for alice's minute")
	}
	h.now = h.now.Add(40 * time.Second)
	if from, err := h.Late(); !slices.Equal(from, []onion.Address{alice.Self}) || err != nil {
		t.Errorf("late: %v, %v", from, err)
	}
	if got := h.grants(alice); !slices.Equal(got, []string{"o29"}) {
		t.Errorf("after the minute alice grants %v", got)
	}
	if taken, _ := said(alice, offer(5), 0); taken {
		t.Error("no other minute begins")
	}
	if taken, _ := said(alice, offer(6), time.Second); !taken {
		t.Error("the answer to our own call waits")
	}
	h.now = h.now.Add(HelloEvery)
	if from, err := h.Late(); len(from) != 0 || err != nil {
		t.Errorf("what is older than our own call is taken: %v, %v", from, err)
	}
	if _, _, err := h.Heard(Key{9}, Word{}); !errors.Is(err, NoFriend) {
		t.Errorf("a stranger: %v", err)
	}
}

// However a friend's box divides its words over an hour, no more than one a
// minute and HelloBurst are taken, and the last of them is.
func TestHellosHaveABound(t *testing.T) {
	random := rand.New(rand.NewPCG(60, 4))
	for _, gap := range []time.Duration{10 * time.Millisecond, time.Second, 20 * time.Second, HelloEvery, HelloBurst * HelloEvery} {
		h, alice, _ := circle(t)
		says(t, h, alice, offer(5))
		begin, n := h.now, 1
		due := func() {
			from, err := h.Late()
			if err != nil {
				t.Fatal(err)
			}
			n += len(from)
		}
		var last byte
		for i := 0; i < 4000 && h.now.Sub(begin) < time.Hour; i++ {
			last = byte(10 + i%20)
			taken, _, err := h.Heard(alice.key(), Word{Seen: Seen{Offers: []Offer{offer(last)}}})
			if err != nil {
				t.Fatal(err)
			}
			if taken {
				n++
			}
			h.now = h.now.Add(time.Duration(random.Int64N(2 * int64(gap))))
			if random.IntN(3) == 0 {
				due()
			}
		}
		if most := HelloBurst + int(h.now.Sub(begin)/HelloEvery); n > most {
			t.Errorf("a word each %s: %d were taken in %s, and not %d at most", gap, n, h.now.Sub(begin), most)
		}
		h.now = h.now.Add(HelloEvery)
		due()
		if got, want := h.grants(alice), fmt.Sprint("o", last); !slices.Equal(got, []string{want}) {
			t.Errorf("a word each %s: alice grants %v, and not %s", gap, got, want)
		}
	}
}

// exhaust has a friend's box use all words that it may say at once.
func exhaust(t *testing.T, h, friend *house) {
	t.Helper()
	for i := range HelloBurst {
		if taken, _, err := h.Heard(friend.key(), Word{}); err != nil || !taken {
			t.Fatalf("word %d: taken %v, %v", i, taken, err)
		}
	}
}

// An introduction is said once: it is not lost with the word that it came in.
func TestIntroductionsWait(t *testing.T) {
	type next struct {
		after time.Duration
		word  Word
	}
	for name, next := range map[string]next{"another hello": {}, "the answer to our call": {word: Word{Seen: Seen{RoundTrip: time.Second}}},
		"a hello in time": {after: HelloEvery}} {
		h, alice, _ := circle(t)
		h.now = h.now.Add(time.Hour)
		exhaust(t, h, alice)
		for _, w := range []Word{{Introduced: []Introduction{introduction(h, 9)}}, next.word} {
			if _, _, err := h.Heard(alice.key(), w); err != nil {
				t.Fatal(err)
			}
			h.now = h.now.Add(next.after)
		}
		h.now = h.now.Add(HelloEvery)
		if _, err := h.Late(); err != nil {
			t.Fatal(err)
		}
		if list := h.Pairings(); len(list) != 1 {
			t.Errorf("after %s: %+v", name, list)
		}
	}
}

// Nor is it lost when it cannot be kept, because the disk is full.
func TestIntroductionsThatCannotBeKept(t *testing.T) {
	for what, say := range map[string]func(*house, *house, Word) error{
		"taken at once": func(h, alice *house, w Word) error {
			_, _, err := h.Heard(alice.key(), w)
			return err
		},
		"taken later": func(h, alice *house, w Word) error {
			exhaust(t, h, alice)
			h.Heard(alice.key(), w)
			h.now = h.now.Add(HelloEvery)
			_, err := h.Late()
			return err
		},
	} {
		h, alice, _ := circle(t)
		h.now = h.now.Add(time.Hour)
		// A file stands where the directory should.
		if err := errors.Join(os.RemoveAll(h.Paths.Invites()), os.WriteFile(h.Paths.Invites(), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if say(h, alice, Word{Introduced: []Introduction{introduction(h, 9)}}) == nil {
			t.Fatalf("%s: it was kept", what)
		}
		if err := os.Remove(h.Paths.Invites()); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(HelloEvery)
		if from, err := h.Late(); err != nil || len(from) != 1 || len(h.Pairings()) != 1 {
			t.Errorf("%s: %v, %v, %+v", what, from, err, h.Pairings())
		}
	}
}

func introduction(h *house, seed byte) Introduction {
	a, _ := box(seed)
	return Introduction{Token: Token{seed}, Role: Inviter, Onion: a, Name: "carol", Expires: h.now.Add(time.Hour)}
}

// Who is introduced takes no name that is under way already.
func TestIntroducedNames(t *testing.T) {
	h, alice, bob := circle(t)
	carol, other := introduction(h, 9), introduction(h, 10)
	other.Expires = h.now.Add(time.Minute) // would be the first of that name
	if err := errors.Join(h.Introduced(bob.key(), []Introduction{carol}), h.Introduced(alice.key(), []Introduction{other})); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AcceptIntroduced("carol", ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range h.Pairings() {
		if (p.Name == "carol") != (p.Onion == carol.Onion) {
			t.Errorf("%s is the box that %s introduced", p.Name, p.By)
		}
	}
	own, _ := box(11)
	h.SetOwn([]onion.Address{own})
	before := len(h.Pairings())
	if err := h.Introduced(alice.key(), []Introduction{introduction(h, 11)}); err != nil || len(h.Pairings()) != before {
		t.Errorf("an own onion is introduced: %v", err)
	}
}

// Who is refused changes nothing, and the last step again neither.
func TestWhatIsRefusedChangesNothing(t *testing.T) {
	h, alice := newHouse(t, 0), newHouse(t, 1)
	invite(t, h, alice, true)
	call := alice.Calls()[0]
	before := h.Changes()
	if _, _, err := h.Claim(ID{1}, alice.key(), Key{2}); err == nil {
		t.Error("a claim of nothing is let in")
	}
	if h.Changes() != before || h.Settled(call.Invite, alice.key()) {
		t.Error("a refused claim has changed something")
	}
	if err := converse(h, alice, always); err != nil {
		t.Fatal(err)
	}
	if h.Changes() == before || !h.Settled(call.Invite, alice.key()) {
		t.Error("a pairing has changed nothing, or is not settled")
	}
}

// others is all that is kept, but of one friend: what tor, the resolver and the
// queues are told of.
func (h *house) others(but *house, free ...onion.Address) string {
	var visits []Visit
	for _, v := range h.Granted().Visits {
		if v.Onion == but.Self || slices.Contains(free, v.Onion) {
			continue // that friend may say what they are
		}
		visits = append(visits, v) // also one with that friend's key
	}
	var pairings []Pairing
	for _, p := range h.Pairings() {
		if p.By != "alice" {
			pairings = append(pairings, p)
		}
	}
	text := fmt.Sprintf("%+v %v %v %v %v", pairings, h.Visits(), h.Calls(), h.Clients(), h.peers)
	for _, v := range visits {
		text += fmt.Sprint(v.Onion, string(v.Key))
	}
	for _, p := range h.peers {
		if p.Name != "alice" {
			a := onion.Address(p.Onion)
			text += fmt.Sprintf("%+v %+v", h.Friend(a), h.Outbox(a))
		}
	}
	return text
}

// Whatever one friend's box says, in any order, all others stay as they were.
func TestOneFriendChangesNothingOfOthers(t *testing.T) {
	h, alice, bob := circle(t)
	own, _ := box(7)
	h.SetOwn([]onion.Address{own})
	says(t, h, bob, offer(5), offer(6))
	if _, err := h.Invite("dave", "me", false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Introduced(bob.key(), []Introduction{introduction(h, 9)}), h.Introduce("alice", "bob")); err != nil {
		t.Fatal(err)
	}
	free := freeOnions()
	before := h.others(alice, free...)
	random := rand.New(rand.NewPCG(14, 15))
	for i := range 300 {
		w := randomWord(h, random, alice, bob)
		h.now = h.now.Add(time.Duration(random.IntN(40)) * time.Millisecond)
		if _, _, err := h.Heard(alice.key(), w); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			h.restart()
			h.SetOwn([]onion.Address{own})
		}
		if after := h.others(alice, free...); !reflect.DeepEqual(before, after) {
			t.Fatalf("word %d, %+v, changed\n%s\nto\n%s", i, w, before, after)
		}
	}
}

// freeOnions are those of randomWord's that are nobody's.
func freeOnions() (list []onion.Address) {
	for _, seed := range []byte{3, 4, 8, 9, 10, 11, 12, 13} {
		a, _ := box(seed)
		list = append(list, a)
	}
	return list
}

// randomWord says what a friend's box can, about everybody.
func randomWord(h *house, random *rand.Rand, alice, bob *house) Word {
	names := []string{"bob", "alice", "dave", "carol", "o5", "o6", "../x", ""}
	name := func() string { return names[random.IntN(len(names))] }
	address := func() onion.Address {
		if a, _ := box(byte(random.IntN(14))); random.IntN(9) > 0 {
			return a // of this box, alice, bob, an own onion, bob's onions, others
		}
		return "none"
	}
	w := Word{Seen: Seen{RoundTrip: time.Duration(random.IntN(2)), Endpoints: []string{name()}}}
	for range random.IntN(90) {
		w.Offers = append(w.Offers, Offer{Name: name(), Onion: address(), Since: time.Unix(1, 0)})
	}
	for range random.IntN(20) {
		w.Introduced = append(w.Introduced, Introduction{Token: Token{byte(random.IntN(40))}, Role: Role(random.IntN(4)),
			Onion: address(), Name: name(), Expires: h.now.Add(time.Duration(random.IntN(90)) * time.Minute)})
	}
	for _, out := range append(h.Outbox(bob.Self), h.Outbox(alice.Self)...) {
		w.Delivered = append(w.Delivered, out.Token.ID())
	}
	return w
}
