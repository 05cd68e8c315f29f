//go:build machines

package machines

import (
	"context"
	"net"
	"sync"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/load"
)

// Of a box in use: how often a second devices open a connection and ask for a name, how long
// somebody waits at the most until it is an error, and how long it is measured before what
// is to happen to it, and after.
const (
	aSecond   = 20
	useLimit  = 10 * time.Second
	beforeUse = 4 * time.Second
	afterUse  = 2 * time.Second
)

// tooSlow is the goal for a new connection and for an answer of the resolver.
const tooSlow = time.Second

// webServer is the one that tells who asks.
const webServer = "203.0.113.80:80"

// inUse has something happen to the box while devices use it, and fails if anybody
// was cut or refused. How long people waited is logged, beside how long they do
// when nothing happens.
func (w *world) inUse(meanwhile func()) {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	page, err := load.Begin(ctx, w.host("phone"), webServer)
	if err != nil {
		w.Fatal(err)
	}
	defer page.Conn.Close()
	group.Go(func() { page.Run(ctx) })
	visitor := w.visitor()
	defer visitor.Close()
	for name, ask := range map[string]func() error{
		"the visitor's stream": func() error { return load.Talk(visitor) },
		"the session of IMAP":  w.imapSession().lives,
		"the session of XMPP":  w.xmppSession().lives,
		"the session of IRC":   w.ircSession().lives,
	} {
		group.Go(func() {
			times, err := load.Hold(ctx, 100*time.Millisecond, ask)
			w.Logf("%s: %d answers", name, times)
			if err != nil {
				w.Errorf("%s was cut: %v", name, err)
			}
		})
	}
	w.waits("nothing happens", false, func() { time.Sleep(beforeUse) })
	w.waits("it happens", true, func() { meanwhile(); time.Sleep(afterUse) })
	stop()
	group.Wait()
	w.Logf("the download: %d bytes", page.Bytes)
	if page.Err != nil || page.Bytes < 10*load.Step {
		w.Errorf("the download ended after %d bytes: %v", page.Bytes, page.Err)
	}
}

// visited is an onion with a server of TCP echo.
const visited = "visited"

// visitor is the friend at an onion of the household.
func (w *world) visitor() net.Conn {
	w.Helper()
	address := w.shell("cat /var/lib/tunic/onions/" + visited + "/hostname")
	var conn net.Conn
	w.eventually("the friend reaches the onion", fetchLimit, func() bool {
		c, err := load.ToOnion(w.ctx, w.host("friend-laptop"), "192.168.78.1", address, lab.NASEchoPort)
		if err != nil {
			return false
		}
		if load.Talk(c) != nil {
			c.Close()
			return false
		}
		conn = c
		return true
	})
	return conn
}

// waits measures how long new connections and names take meanwhile.
func (w *world) waits(what string, counts bool, meanwhile func()) {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	var opened, pages, names load.Waits
	phone := w.host("phone")
	group.Go(func() {
		opened = load.Again(ctx, time.Second/aSecond, func(int) error { return load.Connect(w.ctx, phone, webServer, useLimit) })
	})
	group.Go(func() {
		pages = load.Again(ctx, time.Second/aSecond, func(int) error { return load.Fetch(w.ctx, phone, webServer, "/ip", useLimit) })
	})
	group.Go(func() {
		names = load.Again(ctx, time.Second/aSecond, func(int) error {
			_, err := load.Ask(w.ctx, phone, "192.168.77.1", "web.example", useLimit)
			return err
		})
	})
	meanwhile()
	stop()
	group.Wait()
	for kind, got := range map[string]load.Waits{"new connection": opened, "first byte of a page": pages, "name": names} {
		w.Logf("time: %s: %s: slowest %s of %d: %v", w.release.Codename, what, kind, got.Times, got.Slowest.Round(time.Millisecond))
		if len(got.Failed) > 0 {
			w.Errorf("%s: %d times not: %v", kind, len(got.Failed), got.Failed[0])
		}
		if counts && kind != "first byte of a page" && got.Slowest > tooSlow {
			w.Errorf("the slowest %s took %v", kind, got.Slowest)
		}
	}
}
