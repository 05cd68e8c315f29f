package smtp

import (
	"sync"
	"time"
)

// youth is how long a conversation that has proved nothing keeps its place when
// there is no other.
const youth = time.Minute

// draftsPerSize is how many messages of the largest size may be read at a time
// before it is known who they are from.
const draftsPerSize = 4

// crowd shares what a door has among those who come: places, and the room for
// messages that nobody has vouched for yet. Who wants more than others gives way
// to them: a circuit, and a friend over all circuits when a mail has proved who
// it is. It is onion.Share for conversations that take an hour.
type crowd struct {
	perCircuit, total int

	mu     sync.Mutex
	guests []*guest // the oldest first
	bytes  int64    // of all guests
}

// guest is one conversation. A nil guest is one that no crowd bounds.
type guest struct {
	*crowd
	who    string // a circuit, or a friend
	proved bool
	since  time.Time
	bytes  int64
	gone   bool
	cut    func() // ends the conversation; it must not wait
}

func newCrowd(perCircuit, total int) *crowd { return &crowd{perCircuit: perCircuit, total: total} }

// enter takes a place for a conversation, or finds one that gives way.
func (c *crowd) enter(circuit string, cut func()) (*guest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := "circuit " + circuit
	mine := c.count(who)
	if circuit != "" && mine >= c.perCircuit || len(c.guests) >= c.total && !c.makeRoom(mine) {
		return nil, false
	}
	g := &guest{crowd: c, who: who, since: time.Now(), cut: cut}
	c.guests = append(c.guests, g)
	return g, true
}

// count is how many places somebody has.
func (c *crowd) count(who string) int {
	n := 0
	for _, g := range c.guests {
		if g.who == who {
			n++
		}
	}
	return n
}

// makeRoom ends a conversation for somebody who has mine: one of whoever has most
// without proof, if that is more; else one that had time enough for a proof; else
// one of the friend who has most.
func (c *crowd) makeRoom(mine int) bool {
	loser := c.greediest(mine, false)
	if loser == nil && len(c.guests) > 0 {
		for _, g := range c.guests {
			if !g.proved && time.Since(g.since) > youth {
				loser = g
				break
			}
		}
	}
	if loser == nil {
		loser = c.greediest(mine, true)
	}
	if loser == nil {
		return false
	}
	c.remove(loser)
	loser.cut()
	return true
}

// greediest is the oldest conversation of whoever has most, and more than one
// who has mine would have then.
func (c *crowd) greediest(mine int, proved bool) *guest {
	var found *guest
	most := mine + 1
	for _, g := range c.guests {
		if n := c.count(g.who); g.proved == proved && n > most {
			found, most = g, n
		}
	}
	return found
}

// remove gives the place and the room of a guest back.
func (c *crowd) remove(g *guest) {
	for i := range c.guests {
		if c.guests[i] == g {
			c.guests = append(c.guests[:i], c.guests[i+1:]...)
			c.bytes -= g.bytes
			g.bytes, g.gone = 0, true
			return
		}
	}
}

// leave ends a guest's stay.
func (g *guest) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(g)
}

// prove notes whose conversation it is, and that it may have more time.
func (g *guest) prove(friend string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.who, g.proved = "friend "+friend, true
}

// grow asks for room for a message that is being read, of which all guests have
// limit. Whoever has the most of it gives way, and that may be the guest itself;
// to one who has proved who it is, first those who have not.
func (g *guest) grow(n, limit int64) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.gone && g.crowd.bytes+n > limit {
		hog := g.hog()
		if hog == g {
			return false
		}
		g.remove(hog)
		hog.cut()
	}
	if g.gone {
		return false
	}
	g.bytes += n
	g.crowd.bytes += n
	return true
}

// hog is the largest message of whoever has most of the room.
func (g *guest) hog() *guest {
	sums := make(map[string]int64)
	strange := false
	for _, other := range g.guests {
		sums[other.who] += other.bytes
		strange = strange || !other.proved && other.bytes > 0
	}
	found := g
	for _, other := range g.guests {
		if g.proved && strange && other.proved {
			continue
		}
		if sums[other.who] > sums[found.who] || other.who == found.who && other.bytes > found.bytes ||
			g.proved && found.proved && !other.proved && other.bytes > 0 {
			found = other
		}
	}
	return found
}

// shrink gives the room of a message back, which was kept or refused.
func (g *guest) shrink() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.crowd.bytes -= g.bytes
	g.bytes = 0
}
