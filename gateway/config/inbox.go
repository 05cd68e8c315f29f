package config

// Inbox is [inbox]: files that friends send.
type Inbox struct {
	Quota int64 // bytes of files of each friend that wait in it; 0: friends can send none
}

// Bounds of what a friend may send, in MB.
const (
	standardInbox = 2000
	maxInbox      = 1_000_000
)

func readInbox(t *table, inbox *Inbox) {
	n, ok := t.integer("quota")
	switch {
	case !ok:
		n = standardInbox
	case n < 0 || n > maxInbox:
		t.add("quota", problemf("it is a number of megabytes, and 0 takes no files", "%d is not between 0 and %d", n, maxInbox))
	}
	inbox.Quota = n * megabyte
	t.finish()
}

// OffersServices reports whether friends may use anything of this box by port 1 of home.
func (c *Config) OffersServices() bool {
	return len(c.Services) > 0 || c.Inbox.Quota > 0 || c.Gateway.Talk
}
