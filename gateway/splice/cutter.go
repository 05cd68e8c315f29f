package splice

import "sync"

// Cutter ends a stream, by what ends it at that time: while it is opened that is another
// thing than later. The zero value does nothing but remember.
type Cutter struct {
	mu   sync.Mutex
	how  func()
	done bool
}

// Cut ends the stream, once there is a way to. It may be called often.
func (c *Cutter) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	if c.how != nil {
		c.how()
	}
}

// By says how it is ended from now on, which must not wait; if it was cut before, that is
// done at once. When By has returned, the way before is used no more.
func (c *Cutter) By(how func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.how = how
	if c.done {
		how()
	}
}
