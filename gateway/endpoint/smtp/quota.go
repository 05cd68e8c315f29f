package smtp

import (
	"sync"
	"time"

	"tunic/gateway/endpoint/smtp/maildir"
)

// usageAge is how long a measurement of a mailbox is believed; what is
// delivered meanwhile is added to it.
const usageAge = time.Minute

// usages remember how full mailboxes are.
type usages struct {
	mu   sync.Mutex
	seen map[string]*measured
}

type measured struct {
	bytes int64
	at    time.Time
}

// full reports whether a mailbox has no room for a message of this size.
func (s *Server) full(user string, size int64) bool {
	quota := s.now().Quota
	if quota <= 0 {
		return false
	}
	used, err := s.used(user)
	if err != nil {
		s.Log.Warn("a mailbox cannot be measured", "error", err)
		return false
	}
	return used+size > quota
}

// used is the size of a mailbox.
func (s *Server) used(user string) (int64, error) {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if m := s.usage.seen[user]; m != nil && time.Since(m.at) < usageAge {
		return m.bytes, nil
	}
	n, err := maildir.Usage(s.maildir(user))
	if err != nil {
		return 0, err
	}
	if s.usage.seen == nil {
		s.usage.seen = make(map[string]*measured)
	}
	s.usage.seen[user] = &measured{n, time.Now()}
	return n, nil
}

// grew takes note of a delivery.
func (s *Server) grew(user string, size int64) {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if m := s.usage.seen[user]; m != nil {
		m.bytes += size
	}
}
