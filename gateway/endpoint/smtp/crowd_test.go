package smtp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// attend has n conversations come over a circuit and returns those that got a place.
func attend(c *crowd, circuit string, n int, cut *int) []*guest {
	var in []*guest
	for range n {
		if g, ok := c.enter(circuit, func() { *cut++ }); ok {
			in = append(in, g)
		}
	}
	return in
}

func TestCrowdSharesPlaces(t *testing.T) {
	c, cut := newCrowd(4, 8), 0
	if n := len(attend(c, "1", 9, &cut)); n != 4 {
		t.Errorf("one circuit has %d places", n)
	}
	attend(c, "2", 4, &cut)
	if n := len(attend(c, "3", 4, &cut)); n != 2 || cut != 2 || len(c.guests) != 8 {
		t.Errorf("a third has %d places, %d were cut, %d are there", n, cut, len(c.guests))
	}
	// Where each has one, who proves nothing for a while gives way.
	c, cut = newCrowd(4, 3), 0
	first := attend(c, "1", 1, &cut)[0]
	second := attend(c, "2", 1, &cut)[0]
	attend(c, "3", 1, &cut)
	second.prove("bea")
	if in := attend(c, "4", 1, &cut); len(in) != 0 {
		t.Error("there was a fourth place")
	}
	first.since, second.since = time.Now().Add(-2*youth), time.Now().Add(-3*youth)
	if in := attend(c, "4", 1, &cut); len(in) != 1 || cut != 1 || !first.gone || second.gone {
		t.Errorf("%d got in, %d were cut, and who has proved something is gone: %v", len(in), cut, second.gone)
	}
	first.leave() // it was cut, and its end comes later
	if len(c.guests) != 3 {
		t.Errorf("%d are there", len(c.guests))
	}
	// A friend is the same over all circuits.
	c, cut = newCrowd(4, 8), 0
	for circuit := range 8 {
		attend(c, fmt.Sprint(circuit), 1, &cut)[0].prove("bea")
	}
	if in := attend(c, "9", 4, &cut); len(in) != 4 || cut != 4 {
		t.Errorf("beside a friend who has all, %d got in, %d were cut", len(in), cut)
	}
}

func TestCrowdSharesRoom(t *testing.T) {
	c, cut := newCrowd(4, 8), 0
	a, b := attend(c, "1", 2, &cut), attend(c, "2", 1, &cut)[0]
	if !a[0].grow(50, 100) || !a[1].grow(40, 100) || !b.grow(30, 100) || cut != 1 || !a[0].gone || c.bytes != 70 {
		t.Errorf("%d were cut, %d bytes", cut, c.bytes)
	}
	if a[0].grow(1, 100) {
		t.Error("who is gone gets room")
	}
	if a[1].grow(40, 100) || cut != 1 {
		t.Error("the greediest grows")
	}
	b.prove("bea")
	if !b.grow(50, 100) || cut != 2 || !a[1].gone || c.bytes != 80 {
		t.Errorf("a friend did not get the room of a stranger: %d bytes", c.bytes)
	}
	b.shrink()
	b.leave()
	if c.bytes != 0 || len(c.guests) != 0 {
		t.Errorf("%d bytes of %d are left", c.bytes, len(c.guests))
	}
	if g := (*guest)(nil); !g.grow(1<<40, 1) {
		t.Error("the household is bounded")
	}
}

// Somebody who holds all places of port 25, by eight circuits, keeps nobody out.
func TestNobodyHoldsPort25(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	for i := range friendConns {
		b.knockAs(b.Friends(), b.key.Host(), fmt.Sprint(i/friendConnsPerCircuit))
	}
	d := b.knockAs(b.Friends(), b.key.Host(), "99")
	d.say("EHLO x", "250 ")
	d.bring(a.at("ann"), b.at("bob"), a.letter(a.at("ann"), b.at("bob"), "message-1"), "250 ")
}

// What is read before anybody has vouched for it is bounded for all together,
// whatever size it was said to have, and mail of others arrives meanwhile.
func TestDraftsAreBounded(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	for i := range 16 {
		d := b.knockAs(b.Friends(), b.key.Host(), fmt.Sprint(i))
		d.say("EHLO x", "250 ")
		d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
		d.say("RCPT TO:<"+b.at("bob")+">", "250 ")
		d.say("DATA", "354 ")
		io.WriteString(d.conn, "From: <x@y.example>\r\n\r\n"+strings.Repeat(strings.Repeat("x", 98)+"\r\n", 9000))
	}
	b.Server.friends.mu.Lock()
	held := b.Server.friends.bytes
	b.Server.friends.mu.Unlock()
	if held > draftsPerSize<<20 || held < 1<<20 {
		t.Errorf("16 conversations hold %d bytes", held)
	}
	d := b.knockAs(b.Friends(), b.key.Host(), "99")
	d.say("EHLO x", "250 ")
	d.bring(a.at("ann"), b.at("bob"), a.letter(a.at("ann"), b.at("bob"), "message-1"), "250 ")
}
