package peer

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/config"
)

// house is a box with a Book on a disk of its own.
type house struct {
	*Book
	t     *testing.T
	dir   string
	seed  byte
	now   time.Time
	peers []config.Peer
}

func newHouse(t *testing.T, seed byte) *house {
	h := &house{t: t, dir: t.TempDir(), seed: seed, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	h.restart()
	return h
}

// restart forgets all that is not on the disk.
func (h *house) restart() {
	h.t.Helper()
	self, key := box(h.seed)
	b, err := OpenBook(Options{Paths: config.NewPaths(h.dir), Now: func() time.Time { return h.now }, Self: self,
		Sign: func(m []byte) (s Signature, err error) { copy(s[:], ed25519.Sign(key, m)); return s, nil }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Book = b
	if err := b.SetPeers(h.peers); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) key() Key { return KeyOf(h.Self) }

// befriends is what the gateway does with a new peer.
func (h *house) befriends(p config.Peer) error {
	h.peers = append(slices.DeleteFunc(h.peers, func(o config.Peer) bool { return o.Onion == p.Onion }), p)
	return h.SetPeers(h.peers)
}

func (h *house) knows(other *house) bool {
	return slices.ContainsFunc(h.peers, func(p config.Peer) bool { return p.Onion == string(other.Self) })
}

// errCrash stands for a power cut.
var errCrash = errors.New("crash")

// converse makes one conversation about an invitation, as package endpoint/pair
// does. after is called between any two steps and can end it.
func converse(a, b *house, after func(step int) error) error {
	calls := b.Calls()
	if len(calls) == 0 {
		return Declined
	}
	c, step := calls[0], 0
	next := func(err error) error {
		if err != nil {
			return err
		}
		step++
		return after(step)
	}
	nonce, client, err := a.Claim(c.Invite, b.key(), c.Commit)
	if err := next(err); err != nil {
		return err
	}
	bNonce, bClient, s, err := b.Answer(c.Invite, nonce, client)
	if err := next(err); err != nil {
		return err
	}
	ours, confirmed, err := a.Prove(c.Invite, b.key(), bNonce, bClient, s)
	if err := next(err); err != nil {
		return err
	}
	if err := next(b.Verify(c.Invite, ours, confirmed)); err != nil || !confirmed {
		return err
	}
	p, err := a.Finish(c.Invite, b.key())
	if err := next(err); err != nil {
		return err
	}
	if err := next(a.befriends(p)); err != nil {
		return err
	}
	if err := next(a.Finished(c.Invite)); err != nil {
		return err
	}
	q, err := b.Conclude(c.Invite)
	if err := next(err); err != nil {
		return err
	}
	if err := next(b.befriends(q)); err != nil {
		return err
	}
	return next(b.Concluded(c.Invite))
}

const steps = 10 // of a whole conversation

func always(int) error { return nil }

func invite(t *testing.T, a, b *house, auto bool) Invite {
	t.Helper()
	i, err := a.Invite("bob", "alice", auto)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := b.Accept(i, ""); err != nil || name != "alice" {
		t.Fatalf("accepted as %q, %v", name, err)
	}
	return i
}

func TestTwoBoxesBecomeFriends(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	i := invite(t, a, b, false)
	if err := a.Confirm("bob"); !errors.Is(err, ErrState) {
		t.Errorf("confirmed before anybody came: %v", err)
	}
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	pa, pb := a.Pairings(), b.Pairings()
	if len(pa) != 1 || len(pb) != 1 || pa[0].State != Proved || pb[0].State != Answered {
		t.Fatalf("before the owner confirms: %v and %v", pa, pb)
	}
	if w := a.Words(pa[0]); w == "" || w != b.Words(pb[0]) {
		t.Errorf("the words differ: %q and %q", w, b.Words(pb[0]))
	}
	if a.knows(b) || b.knows(a) {
		t.Fatal("friends before the owner has confirmed")
	}
	if err := errors.Join(a.Confirm("bob"), converse(a, b, always)); err != nil {
		t.Fatal(err)
	}
	if !a.knows(b) || !b.knows(a) || a.peers[0].Name != "bob" || b.peers[0].Name != "alice" {
		t.Fatalf("%+v and %+v", a.peers, b.peers)
	}
	// Each finds the other's home by the key that the other lets in.
	for _, side := range [][2]*house{{a, b}, {b, a}} {
		visits := side[0].Granted().Visits
		if len(visits) != 1 || visits[0].Onion != side[1].Self {
			t.Fatalf("visits: %+v", visits)
		}
		if k, err := visits[0].Key.Public(); err != nil || string(k) != side[1].peers[0].ClientKey {
			t.Errorf("the keys do not fit: %v, %v", k, err)
		}
	}
	temporary, _ := i.Token.Client()
	old, _ := temporary.Public()
	if !slices.Contains(a.Clients(), old) {
		t.Error("the temporary key is gone before the other box has called by its own")
	}
	if err := a.Called(b.key(), Seen{}, nil); err != nil || len(a.Clients()) != 0 {
		t.Errorf("after the first hello: %v, %v", a.Clients(), err)
	}
	if len(b.Calls()) != 0 || len(b.Pairings()) != 0 || len(a.Pairings()) != 0 {
		t.Error("something is left under way")
	}
}

// A power cut between any two steps, on either side or both, is followed by a
// conversation that ends well, and never by a friend on the invited side alone.
func TestInterruptedAnywhere(t *testing.T) {
	for cut := 1; cut <= steps; cut++ {
		for _, who := range []string{"a", "b", "both", "line"} {
			a, b := newHouse(t, 0), newHouse(t, 1)
			invite(t, a, b, true)
			err := converse(a, b, func(step int) error {
				if step == cut {
					return errCrash
				}
				return nil
			})
			if !errors.Is(err, errCrash) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if b.knows(a) && !a.knows(b) {
				t.Errorf("cut at %d: half a friend", cut)
			}
			if who == "a" || who == "both" {
				a.restart()
			}
			if who == "b" || who == "both" {
				b.restart()
			}
			if err := converse(a, b, always); err != nil && cut != steps {
				t.Errorf("cut at %d, restart of %s: going on: %v", cut, who, err)
			}
			if !a.knows(b) || !b.knows(a) || len(b.Calls()) != 0 {
				t.Errorf("cut at %d, restart of %s: %v and %v", cut, who, a.peers, b.peers)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	never := Token{7}.ID()
	tests := []struct {
		name string
		try  func(a, b, c *house, i Invite) error
		want error
	}{
		{"wrong token", func(a, b, c *house, i Invite) error {
			_, _, err := a.Claim(never, b.key(), Key{})
			return err
		}, Unknown},
		{"another box after the first", func(a, b, c *house, i Invite) error {
			if err := converse(a, b, always); err != nil {
				return err
			}
			if _, err := c.Accept(i, "alice"); err != nil {
				return err
			}
			return converse(a, c, always)
		}, Used},
		{"the same box that has forgotten", func(a, b, c *house, i Invite) error {
			_, _, err := a.Claim(i.Token.ID(), b.key(), Key{1})
			if err == nil {
				_, _, err = a.Claim(i.Token.ID(), b.key(), Key{2})
			}
			return err
		}, Used},
		{"expired on the way", func(a, b, c *house, i Invite) error {
			a.now = a.now.Add(Lifetime + time.Second)
			return converse(a, b, always)
		}, Expired},
		{"withdrawn", func(a, b, c *house, i Invite) error {
			if found, err := a.Withdraw("bob"); !found || err != nil {
				t.Errorf("withdraw: %v, %v", found, err)
			}
			return converse(a, b, always)
		}, Unknown},
		{"the inviting box itself", func(a, b, c *house, i Invite) error {
			_, _, err := a.Claim(i.Token.ID(), a.key(), Key{})
			return err
		}, Own},
		{"own invitation", func(a, b, c *house, i Invite) error { _, err := a.Accept(i, "me"); return err }, ErrOwn},
		{"expired before", func(a, b, c *house, i Invite) error {
			c.now = c.now.Add(Lifetime + time.Second)
			_, err := c.Accept(i, "alice")
			return err
		}, ErrExpired},
		{"no name", func(a, b, c *house, i Invite) error { i.Name = ""; _, err := c.Accept(i, ""); return err }, ErrNoName},
		{"somebody else's proof", func(a, b, c *house, i Invite) error {
			call := b.Calls()[0]
			nonce, client, err := a.Claim(call.Invite, c.key(), call.Commit) // c has seen the word
			if err != nil {
				return err
			}
			bn, bc, s, err := b.Answer(call.Invite, nonce, client)
			if err == nil {
				_, _, err = a.Prove(call.Invite, c.key(), bn, bc, s)
			}
			return err
		}, BadProof},
		{"other keys than committed", func(a, b, c *house, i Invite) error {
			call := b.Calls()[0]
			nonce, client, _ := a.Claim(call.Invite, b.key(), call.Commit)
			bn, bc, _, _ := b.Answer(call.Invite, nonce, client)
			bn[0]++ // chosen after the inviter's was seen, and signed again
			s, err := b.Sign(Transcript{Invite: call.Invite, InviterOnion: a.key(), InvitedOnion: b.key(), Commit: call.Commit,
				InviterNonce: nonce, InviterClient: client, InvitedNonce: bn, InvitedClient: bc}.Message(Invited))
			if err == nil {
				_, _, err = a.Prove(call.Invite, b.key(), bn, bc, s)
			}
			return err
		}, BadProof},
		{"keys that were not signed", func(a, b, c *house, i Invite) error {
			call := b.Calls()[0]
			nonce, client, _ := a.Claim(call.Invite, b.key(), call.Commit)
			bn, bc, s, _ := b.Answer(call.Invite, nonce, client)
			s[0]++
			_, _, err := a.Prove(call.Invite, b.key(), bn, bc, s)
			return err
		}, BadProof},
		{"an introduction that was never made", func(a, b, c *house, i Invite) error {
			_, err := a.AcceptIntroduced("dave", "")
			return err
		}, ErrNobody},
		{"done without a proof", func(a, b, c *house, i Invite) error {
			call := b.Calls()[0]
			a.Claim(call.Invite, b.key(), call.Commit)
			_, err := a.Finish(call.Invite, b.key())
			return err
		}, BadProof},
		{"a verdict of somebody else", func(a, b, c *house, i Invite) error {
			call := b.Calls()[0]
			b.Answer(call.Invite, Key{1}, Key{9})
			return b.Verify(call.Invite, Signature{1}, true)
		}, BadProof},
		{"a key that locks nothing", func(a, b, c *house, i Invite) error {
			_, _, _, err := b.Answer(b.Calls()[0].Invite, Key{1}, Key{})
			return err
		}, BadProof},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b, c := newHouse(t, 0), newHouse(t, 1), newHouse(t, 2)
			i := invite(t, a, b, true)
			if err := test.try(a, b, c, i); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if a.knows(c) || c.knows(a) {
				t.Error("c is a friend")
			}
		})
	}
}

func TestNamesThatAreTaken(t *testing.T) {
	a, b, c := newHouse(t, 0), newHouse(t, 1), newHouse(t, 2)
	i := invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Invite("eve", "", true); err != nil {
		t.Fatal(err)
	}
	j, _ := c.Invite("eve", "bob", true)
	if _, err := a.Accept(j, ""); !errors.Is(err, ErrTaken) {
		t.Errorf("a friend's name for another box: %v", err)
	}
	if name, err := a.Accept(j, "carol"); err != nil || name != "carol" {
		t.Errorf("%q, %v", name, err)
	}
	if _, err := a.Invite("carol", "", false); !errors.Is(err, ErrTaken) {
		t.Errorf("a name that is under way: %v", err)
	}
	if err := a.Renames("bob", "carol"); !errors.Is(err, ErrTaken) {
		t.Errorf("renaming to it: %v", err)
	}
	if err := a.Renames("bob", "mail"); err == nil {
		t.Error("renamed to a reserved name")
	}
	if err := a.Renames("bob", "bob"); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), "already") {
		t.Errorf("renaming to the same: %v", err)
	}
	if err := a.Renames("bob", "robert"); err != nil {
		t.Errorf("renaming to a free name: %v", err)
	}
	if err := a.Renames("nobody", "x"); !errors.Is(err, ErrNobody) {
		t.Errorf("renaming nobody: %v", err)
	}
	if _, err := b.Accept(i, "other"); !errors.Is(err, ErrTaken) {
		t.Errorf("a friend under another name: %v", err)
	}
}

func TestIntroduction(t *testing.T) {
	hub, b, c := newHouse(t, 0), newHouse(t, 1), newHouse(t, 2)
	for name, h := range map[string]*house{"bob": b, "carol": c} {
		i, err := hub.Invite(name, "hub", true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Accept(i, ""); err != nil {
			t.Fatal(err)
		}
		if err := converse(hub, h, always); err != nil {
			t.Fatal(err)
		}
	}
	stranger, _ := box(9)
	if left := hub.Outbox(stranger); len(left) != 0 {
		t.Errorf("for a stranger there wait %v", left)
	}
	if err := hub.Introduce("bob", "nobody"); !errors.Is(err, ErrNoFriend) {
		t.Errorf("introducing nobody: %v", err)
	}
	if err := hub.Introduce("bob", "bob"); !errors.Is(err, ErrSame) {
		t.Errorf("introducing a friend to the same one: %v", err)
	}
	if err := errors.Join(hub.Introduce("bob", "carol"), hub.Introduce("bob", "carol")); err != nil {
		t.Fatal(err)
	}
	hub.restart()
	for _, h := range []*house{b, c} {
		out := hub.Outbox(h.Self)
		if len(out) != 1 {
			t.Fatalf("%d introductions wait", len(out))
		}
		if err := errors.Join(h.Introduced(hub.key(), out), h.Introduced(hub.key(), out)); err != nil {
			t.Fatal(err)
		}
		if err := hub.Called(h.key(), Seen{}, []ID{out[0].Token.ID()}); err != nil || len(hub.Outbox(h.Self)) != 0 {
			t.Errorf("still waiting: %v, %v", hub.Outbox(h.Self), err)
		}
		if p := h.Pairings(); len(p) != 1 || p[0].State != Introduced || p[0].By != "hub" {
			t.Errorf("told: %v", p)
		}
		if len(h.Clients())+len(h.Calls()) != 0 {
			t.Error("something happens before the owner has said yes")
		}
	}
	if _, err := b.AcceptIntroduced("carol", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AcceptIntroduced("bob", "robert"); err != nil {
		t.Fatal(err)
	}
	first, second := b, c
	if len(b.Calls()) == 1 {
		first, second = c, b
	}
	if err := converse(first, second, always); err != nil {
		t.Fatal(err)
	}
	if !b.knows(c) || !c.knows(b) {
		t.Error("they are no friends")
	}
	if err := b.Introduced(c.key(),
		[]Introduction{{Token: Token{5}, Role: Inviter, Onion: hub.Self, Name: "x", Expires: b.now.Add(time.Hour)}}); err != nil ||
		len(b.Pairings()) != 0 {
		t.Errorf("introduced to a friend: %v", b.Pairings())
	}
	if err := b.Introduced(Key{1}, nil); !errors.Is(err, NoFriend) {
		t.Errorf("a stranger introduces: %v", err)
	}
}

func TestWhatAFriendMaySay(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	good, _ := box(5)
	s := Seen{RoundTrip: -1, Endpoints: []string{"gopher", "not a name", "mail"}, Offers: []Offer{
		{Name: "photos", Onion: good}, {Name: "photos", Onion: a.Self}, {Name: "mine", Onion: a.Self}, {Name: "../x", Onion: good},
		{Name: "bad", Onion: "x"}}}
	if err := a.Called(b.key(), s, nil); err != nil {
		t.Fatal(err)
	}
	a.restart()
	f := a.Friend(b.Self)
	if !slices.Equal(f.Offers, []Offer{{"photos", good, a.now}}) || !slices.Equal(f.Endpoints, []string{"gopher"}) || f.RoundTrip != 0 ||
		!f.At.Equal(a.now) {
		t.Errorf("kept: %+v", f.Seen)
	}
	if v := a.Granted().Visits; len(v) != 2 || v[1].Onion != good {
		t.Errorf("visits: %+v", v)
	}
	if err := a.Called(Key{9}, s, nil); !errors.Is(err, NoFriend) {
		t.Errorf("a stranger: %v", err)
	}
}

// What is withdrawn is what was under way with that name, and nothing else.
func TestWithdrawOnlyThat(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	invite(t, a, b, true)
	if _, err := a.Invite("carol", "", false); err != nil {
		t.Fatal(err)
	}
	before := len(a.Pairings())
	if found, err := a.Withdraw("nobody"); found || err != nil || len(a.Pairings()) != before {
		t.Errorf("withdrawn from nobody: %v, %v, %d of %d are left", found, err, len(a.Pairings()), before)
	}
	if found, err := a.Withdraw("carol"); !found || err != nil || len(a.Pairings()) != before-1 {
		t.Errorf("withdrawn from carol: %v, %v, %d of %d are left", found, err, len(a.Pairings()), before)
	}
	if err := converse(a, b, always); err != nil || !a.knows(b) {
		t.Errorf("the other invitation is gone: %v", err)
	}
}
