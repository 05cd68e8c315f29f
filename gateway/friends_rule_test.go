package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// circle is a box with the friends alice, who lies, and bob, and an own private
// onion that both may find.
func circle(t *testing.T) (a, alice, bob *house) {
	t.Helper()
	a, alice, bob = newBox(t), newBox(t), newBox(t)
	for name, h := range map[string]*house{"alice": alice, "bob": bob} {
		i, err := a.friends.Invite(t.Context(), api.InviteRequest{Name: name, Suggest: "a", Auto: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.friends.Accept(t.Context(), api.AcceptRequest{Word: i.Word}); err != nil {
			t.Fatal(err)
		}
		makeFriends(t, a, h)
	}
	a.write(t, "onions/photos.toml", "private = true\nclients = [\"alice\", \"bob\"]\n[ports]\n80 = \"192.168.77.20:80\"\n")
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, alice, bob
}

func keyOf(a onion.Address) link.Key { return link.Key(peer.KeyOf(a)) }

// met is a hello of a friend, or with a round trip its answer to ours.
func (h *house) met(t *testing.T, m link.Seen) {
	t.Helper()
	if r, err := h.friends.Met(t.Context(), m); err != nil || r.Refusal != 0 {
		t.Fatal(r, err)
	}
	h.settle(t)
}

// others is what tor, the resolver and the servers were told, but for what is
// of one friend.
func (h *house) others(t *testing.T, but *house) string {
	t.Helper()
	h.fakes.mu.Lock()
	spec, served := h.torSpec.Clone(), h.served
	h.fakes.mu.Unlock()
	v := h.snapshot()
	theirs := []onion.Address{but.addressOf()}
	theirs = append(theirs, h.offeredBy("alice")...)
	text := fmt.Sprintf("%+v\n%v\n", spec.Onions, v.findings)
	for _, a := range spec.Auth {
		if public, err := a.Key.Public(); err != nil || !slices.Contains(theirs, a.Onion) {
			text += fmt.Sprintf("key %s %s\n", a.Onion, public)
		}
	}
	for _, m := range spec.Maps {
		if !slices.Contains(theirs, m.Onion) {
			text += fmt.Sprintf("map %v\n", m)
		}
	}
	for _, n := range served.DNS.Names {
		if n.Label != "alice" && !strings.HasSuffix(n.Label, ".alice") {
			text += fmt.Sprintf("name %+v\n", n)
		}
	}
	text += fmt.Sprintf("calls %+v fronts %+v\n", served.Peers.Calls, served.Fronts)
	for _, f := range served.Peers.Friends {
		if f.Onion != keyOf(but.addressOf()) {
			text += fmt.Sprintf("friend %+v heard of %s\n", f, v.in.Heard[peer.Key(f.Onion).Address()])
		}
	}
	return text
}

// Whatever one friend's box says, in any order, names, keys and addresses of all
// others stay as they were, and nothing of theirs is begun again or ended.
func TestOneFriendChangesNothingOfOthers(t *testing.T) {
	a, alice, bob := circle(t)
	films := address(7000)
	a.met(t, link.Seen{Onion: keyOf(bob.addressOf()), RoundTrip: 1, Offers: []link.Offer{{Name: "films", Onion: keyOf(films)}}})
	a.met(t, link.Seen{Onion: keyOf(alice.addressOf()), RoundTrip: 1}) // the invitation has done its work
	before := a.others(t, alice)
	a.took()
	if !strings.Contains(before, "key "+string(films)) || !strings.Contains(before, "films.bob") {
		t.Fatalf("what is to stay is not there: %s", before)
	}
	all := []onion.Address{a.addressOf(), a.snapshot().in.Addresses["photos"], alice.addressOf(), bob.addressOf(), films}
	random := rand.New(rand.NewPCG(60, 60))
	for i := range 60 {
		m := link.Seen{Onion: keyOf(alice.addressOf()), RoundTrip: 1, Endpoints: []string{"gopher", "bob"}}
		for j := range random.IntN(70) {
			who := address(random.IntN(1 << 20))
			if random.IntN(2) == 0 {
				who = all[random.IntN(len(all))]
			}
			m.Offers = append(m.Offers, link.Offer{Name: []string{"bob", "films", "x", "photos"}[random.IntN(4)] +
				fmt.Sprint("-", j), Onion: keyOf(who)})
			m.Introduced = append(m.Introduced, link.Introduction{Token: peer.Token{byte(j)}, Role: uint8(random.IntN(3)),
				Onion: keyOf(who), Name: "bob", Expires: 1 << 40})
		}
		a.met(t, m)
		a.friends.Pair(t.Context(), link.Pairing{Step: link.PairStep(random.IntN(9)), Invite: [16]byte{byte(i)},
			Onion: keyOf(alice.addressOf())})
		if after := a.others(t, alice); after != before {
			t.Fatalf("after %d words, of which the last is %+v:\n%s\nbut before\n%s", i+1, m, after, before)
		}
	}
	for _, step := range strings.Split(a.took(), ", ") {
		if strings.HasPrefix(step, "cut") || strings.HasPrefix(step, "ask again") && !strings.Contains(step, string(alice.addressOf())) {
			t.Errorf("done for what alice said: %s", step)
		}
	}
}

// A friend who says hello again and again is answered, and changes something as
// often as the rule allows: grants that come together at once, then once a minute.
func TestHellosAreRemembered(t *testing.T) {
	a, b := twoFriends(t)
	now := a.friends.Now() // while a minute is over nowhere
	a.friends.Now = func() time.Time { return now }
	asked := func() int { return strings.Count(a.took(), "ask again "+string(b.addressOf())) }
	asked()
	hello := func(i int) {
		a.met(t, link.Seen{Onion: keyOf(b.addressOf()), Offers: []link.Offer{{Name: "x", Onion: keyOf(address(i))}}})
	}
	for i := range peer.HelloBurst {
		hello(i)
		if offers := a.offeredBy("bob"); asked() != 1 || len(offers) != 1 || offers[0] != address(i) {
			t.Errorf("grant %d is not known at once: %v", i, offers)
		}
	}
	came := a.snapshot().in.Heard[b.addressOf()]
	for i := range 200 {
		hello(100 + i)
	}
	v := a.snapshot()
	if again, offers := asked(), a.offeredBy("bob"); again != 0 || v.in.Heard[b.addressOf()] != came || len(offers) != 1 ||
		offers[0] != address(peer.HelloBurst-1) {
		t.Errorf("asked for a descriptor %d times more, came %s and %s, offers %v", again, came, v.in.Heard[b.addressOf()], offers)
	}
}

// offeredBy are the onions that have a name below a friend's.
func (h *house) offeredBy(friend string) (list []onion.Address) {
	for _, n := range h.snapshot().desired.Serve.DNS.Names {
		if strings.HasSuffix(n.Label, "."+friend) {
			list = append(list, peer.Key(n.Onion).Address())
		}
	}
	return list
}

// address is one of many onions.
func address(i int) onion.Address {
	return onion.FromPublicKey(fmt.Appendf(nil, "%032d", i))
}
