package resolver

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

const (
	cachedDevices = 128 // beyond, the device that asked longest ago is forgotten
	cachedAnswers = 256 // of one device; beyond, the answer used longest ago

	minTTL      = 10 * time.Second
	maxTTL      = time.Hour
	negativeTTL = 30 * time.Second // tor passes no SOA on, so there is no better number
)

// answer is what Tor said to one question.
type answer struct {
	rcode int           // RcodeSuccess or RcodeNameError
	rrs   []dns.RR      // of the type asked for; shared, so never changed
	ttl   time.Duration // how long it holds

	// Of a TLS server's answer, which has all that a zone says of the question:
	full   bool     // it is one
	ns     []dns.RR // its authority section; shared too
	secure bool     // the server has checked its signatures
}

// question is the key of an answer within a device.
type question struct {
	name  string // canonical
	qtype uint16

	proofs, unchecked bool // DNSSEC records, and those that failed the check too
}

func keyOf(q dns.Question) question {
	return question{name: dns.CanonicalName(q.Name), qtype: q.Qtype}
}

// cache remembers answers for each device apart. Sharing them would let a
// device find out, by how fast an answer comes, what another one has asked.
// Both levels are bounded, and a device pushes out only answers of its own:
// also one with many addresses, for each of which its answers are apart.
type cache struct {
	of      func(netip.Addr) device.Key
	mu      sync.Mutex
	devices lru[device.Key, *lru[asked, entry]]
}

// asked is a question and the address that put it.
type asked struct {
	from netip.Addr
	question
}

type entry struct {
	answer
	expires time.Time
}

func newCache(of func(netip.Addr) device.Key) *cache {
	return &cache{of: of, devices: newLRU[device.Key, *lru[asked, entry]](cachedDevices)}
}

// get is got, for who has an address now.
func (c *cache) get(from netip.Addr, q question, now time.Time) (answer, bool) {
	return c.got(c.owner(from), q, now)
}

// got returns what somebody was answered, with the time that it still holds.
func (c *cache) got(who owner, q question, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answers, ok := c.devices.get(who.device)
	if !ok {
		return answer{}, false
	}
	e, ok := answers.get(asked{who.addr, q})
	if !ok || !now.Before(e.expires) {
		return answer{}, false
	}
	e.ttl = e.expires.Sub(now)
	return e.answer, true
}

// owner is who has an address now.
func (c *cache) owner(from netip.Addr) owner { return owner{from, c.of(from)} }

// put keeps an answer for the one who asked, whoever has the address by now.
func (c *cache) put(who owner, q question, a answer, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answers, ok := c.devices.get(who.device)
	if !ok {
		fresh := newLRU[asked, entry](cachedAnswers)
		answers = &fresh
		c.devices.put(who.device, answers)
	}
	answers.put(asked{who.addr, q}, entry{answer: a, expires: now.Add(a.ttl)})
}

// forget drops all that was learned for an address, whosever it was then.
func (c *cache) forget(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := range c.devices.index {
		answers := c.devices.index[at].Value.(*pair[device.Key, *lru[asked, entry]]).value
		for q := range answers.index {
			if q.from == from {
				answers.remove(q)
			}
		}
	}
}

// lru keeps the max entries that were used last. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	max   int
	order *list.List // of *pair[K, V], the one used last in front
	index map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](max int) lru[K, V] {
	return lru[K, V]{max: max, order: list.New(), index: make(map[K]*list.Element)}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	at, ok := l.index[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(at)
	return at.Value.(*pair[K, V]).value, true
}

func (l *lru[K, V]) remove(key K) {
	if at, ok := l.index[key]; ok {
		l.order.Remove(at)
		delete(l.index, key)
	}
}

func (l *lru[K, V]) put(key K, value V) {
	if at, ok := l.index[key]; ok {
		at.Value.(*pair[K, V]).value = value
		l.order.MoveToFront(at)
		return
	}
	l.index[key] = l.order.PushFront(&pair[K, V]{key, value})
	if l.order.Len() > l.max {
		last := l.order.Back()
		l.order.Remove(last)
		delete(l.index, last.Value.(*pair[K, V]).key)
	}
}
