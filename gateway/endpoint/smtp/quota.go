package smtp

import (
	"sync"
	"sync/atomic"
	"time"

	"tunic/gateway/endpoint/smtp/maildir"
	"tunic/gateway/endpoint/smtp/spool"
)

// usageAge is how long a measurement of a mailbox is believed; what is
// delivered meanwhile is added to it.
const usageAge = time.Minute

// strangersShare is the part of a user's quota that strangers have, beside it:
// neither they nor friends find out what the others have sent.
const strangersShare = 4

// usages remember how full mailboxes are.
type usages struct {
	mu   sync.Mutex
	seen map[string]*measured
}

// of is what is known of a user's mailbox.
func (u *usages) of(user string) *measured {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen = make(map[string]*measured)
	}
	if u.seen[user] == nil {
		u.seen[user] = new(measured)
	}
	return u.seen[user]
}

// measured is a mailbox. One conversation at a time measures it, and deliveries
// do not wait for that.
type measured struct {
	strangers, others atomic.Int64

	mu sync.Mutex
	at time.Time // of the measurement; zero: none yet
}

// measure lists a mailbox, if it was not just done.
func (m *measured) measure(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.at) < usageAge {
		return nil
	}
	strangers, others := m.strangers.Load(), m.others.Load()
	use, err := maildir.Usage(dir)
	if err != nil {
		return err
	}
	m.strangers.Add(use.Strangers - strangers) // and what came meanwhile stays counted
	m.others.Add(use.Others - others)
	m.at = time.Now()
	return nil
}

// full reports whether a mailbox has no room for a message of this size.
func (s *Server) full(user string, size int64, stranger bool) bool {
	quota := s.now().Quota
	if quota <= 0 {
		return false
	}
	m := s.usage.of(user)
	if err := m.measure(s.maildir(user)); err != nil {
		s.Log.Warn("a mailbox cannot be measured", "error", err)
		return false
	}
	if stranger {
		return m.strangers.Load()+maildir.Cost(size) > quota/strangersShare
	}
	return m.others.Load()+maildir.Cost(size) > quota
}

// grew takes note of a delivery.
func (s *Server) grew(user string, e *spool.Envelope) {
	m := s.usage.of(user)
	if e.Stranger {
		m.strangers.Add(maildir.Cost(e.Size))
	} else {
		m.others.Add(maildir.Cost(e.Size))
	}
}

// held refuses mail for a group of which the spool holds as much as one user may
// have: a member whose box is off does not fill the disk for everybody.
func (s *Server) held(group string, size int64) error {
	now := s.now()
	if now.Quota <= 0 {
		return nil
	}
	sender, post := group+bounces+"@"+now.domain(), group+"@"+now.domain()
	used := s.spool.Size(func(e *spool.Envelope) bool {
		return e.Origin == spool.Relayed && e.From == sender || len(e.Recipients) > 0 && e.Recipients[0].To == post
	})
	if used+size > now.Quota {
		return errGroup
	}
	return nil
}
