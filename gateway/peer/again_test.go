package peer

import (
	"errors"
	"testing"
)

// A word that has failed is tried again under another name, if it is still good.
func TestAcceptAfterAFailure(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	i := invite(t, a, b, true)
	if err := b.Fail(i.Token.ID(), Declined); err != nil {
		t.Fatal(err)
	}
	if p := b.Pairings(); len(p) != 1 || p[0].State != Failed || len(b.Calls()) != 0 {
		t.Fatalf("after the failure: %v", p)
	}
	if name, err := b.Accept(i, "alina"); err != nil || name != "alina" {
		t.Fatalf("accepted as %q, %v", name, err)
	}
	if p := b.Pairings(); len(p) != 1 || p[0].State != Waiting || p[0].Reason != "" || len(b.Calls()) != 1 {
		t.Errorf("after the second try: %+v", p)
	}
}

// A friend who is invited again gets new keys and keeps the name; nobody else
// can use that word.
func TestRenewal(t *testing.T) {
	a, b, c := newHouse(t, 0), newHouse(t, 1), newHouse(t, 2)
	invite(t, a, b, true)
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	before := b.peers[0].ClientKey
	i, err := a.Invite("bob", "", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Accept(i, "alice"); err != nil {
		t.Fatal(err)
	}
	if err := converse(a, c, always); !errors.Is(err, NotYours) {
		t.Errorf("another box: %v", err)
	}
	if name, err := b.Accept(i, ""); err != nil || name != "alice" {
		t.Fatalf("accepted as %q, %v", name, err)
	}
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	if len(a.peers) != 1 || len(b.peers) != 1 || b.peers[0].ClientKey == before || b.peers[0].Name != "alice" {
		t.Errorf("after the renewal: %+v, %+v", a.peers, b.peers)
	}
}

// What is of no invitation, or not refused for good, changes nothing; and the
// box signs a hello for friends alone.
func TestStepsOfNobody(t *testing.T) {
	a, b := newHouse(t, 0), newHouse(t, 1)
	i := invite(t, a, b, true)
	if err := b.Fail(ID{}, Declined); err == nil {
		t.Error("an invitation that is not there has failed")
	}
	if err := b.Fail(i.Token.ID(), Busy); err != nil || len(b.Calls()) != 1 {
		t.Errorf("refused for now: %v, %d calls", err, len(b.Calls()))
	}
	if err := a.Fail(i.Token.ID(), Declined); err == nil {
		t.Error("the inviting side was refused")
	}
	if a.Settled(ID{}, b.key()) || a.Settled(i.Token.ID(), b.key()) {
		t.Error("what nobody has finished is settled")
	}
	if err := a.Finished(ID{}); err != nil {
		t.Errorf("finishing what is not there: %v", err)
	}
	if _, err := a.Hello(b.key(), Key{}, Key{}, Key{}); !errors.Is(err, NoFriend) {
		t.Errorf("a hello for a stranger: %v", err)
	}
	if err := converse(a, b, always); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Hello(b.key(), Key{}, Key{}, Key{}); err != nil {
		t.Errorf("a hello for a friend: %v", err)
	}
}
