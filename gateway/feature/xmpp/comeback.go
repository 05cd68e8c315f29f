package xmpp

import (
	"os"
	"path/filepath"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// longSilence is how long nothing was heard of a friend's box that was off: boxes
// say hello every ten minutes.
const longSilence = 25 * time.Minute

// comeback is when a friend's box was heard of last, and when it last came back.
type comeback struct{ heard, came time.Time }

// after is the comeback once the box has been heard of again. A hello that
// changes nothing for anybody is none: the box came back if it was away long, or
// if something waits for it.
func (c comeback) after(heard time.Time, waits func() bool) comeback {
	if heard.Equal(c.heard) {
		return c
	}
	if heard.Sub(c.heard) > longSilence || waits() {
		c.came = heard
	}
	c.heard = heard
	return c
}

// follow follows which friends' boxes have come back. The server is told of no
// other hello, since each such word is a reload of it.
func follow(before map[onion.Address]comeback, heard map[onion.Address]time.Time,
	waits func(onion.Address) bool) map[onion.Address]comeback {
	next := make(map[onion.Address]comeback)
	for who, at := range heard {
		next[who] = before[who].after(at, func() bool { return waits(who) })
	}
	return next
}

// words say when each came back, for the server's configuration.
func words(comebacks map[onion.Address]comeback) map[onion.Address]string {
	came := make(map[onion.Address]string)
	for who, c := range comebacks {
		came[who] = c.came.UTC().Format(time.RFC3339)
	}
	return came
}

// waits reports whether the server keeps messages for a friend's box. The
// directory is Prosody's own: os.Root follows no link out of it.
func waits(dir, domain string, who onion.Address) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	info, err := root.Lstat(filepath.Join(fileName(domain), "tunic_queue", fileName(string(who)+config.PeerDomain)+".list"))
	return err == nil && info.Size() > 0
}
