package gateway

import (
	"os"
	"path/filepath"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/onion"
)

// longAway is how long nothing was heard of a friend's box that was off: boxes
// say hello every ten minutes.
const longAway = 25 * time.Minute

// comeback is when a friend's box was heard of last, and when it last came back.
type comeback struct{ heard, came time.Time }

// after is the comeback once the box has been heard of again. A hello that
// changes nothing for anybody is none: the box came back if it was away long, or
// if something waits for it.
func (c comeback) after(heard time.Time, waits func() bool) comeback {
	if heard.Equal(c.heard) {
		return c
	}
	if heard.Sub(c.heard) > longAway || waits() {
		c.came = heard
	}
	c.heard = heard
	return c
}

// comeBacks follows which friends' boxes have come back. The chat server is
// told of no other hello, since each such word is a reload of it.
func (a *attempt) comeBacks(heard map[onion.Address]time.Time) map[onion.Address]string {
	next, came := make(map[onion.Address]comeback), make(map[onion.Address]string)
	for who, at := range heard {
		c := a.comebacks[who].after(at, func() bool { return a.chatWaits(who) })
		next[who], came[who] = c, c.came.UTC().Format(time.RFC3339)
	}
	a.comebacks = next
	return came
}

// chatWaits reports whether the chat server keeps messages for a friend's box.
// The directory is Prosody's own: os.Root follows no link out of it.
func (a *attempt) chatWaits(who onion.Address) bool {
	root, err := os.OpenRoot(a.Paths.XMPP())
	if err != nil {
		return false
	}
	defer root.Close()
	self := string(a.in.Addresses[config.HomeOnion]) + config.PeerDomain
	info, err := root.Lstat(filepath.Join(prosodyName(self), "tunic_queue", prosodyName(string(who)+config.PeerDomain)+".list"))
	return err == nil && info.Size() > 0
}
