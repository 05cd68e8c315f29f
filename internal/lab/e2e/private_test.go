//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"tunic/internal/lab"
)

// testPrivate publishes onions for a few, and shuts one of them out (M05): a
// visitor keeps what its tor remembers, so each has a tor of its own.
func testPrivate(w *world) {
	diary, open := w.privateOnion("diary"), w.publish("open", "80="+lab.NASOnionTarget)
	defer w.must("gateway", "tunic", "unpublish", "diary")
	defer w.must("gateway", "tunic", "unpublish", "open")
	alice, bob := w.newClient("diary", "alice"), w.newClient("diary", "bob")
	ca, end := w.mailFor("ann")
	defer end()
	ann := w.addPhone("annphone", "ann", ca)
	defer w.exec("gateway", "tunic", "away", "remove", "annphone")
	all := w.visitors(map[string]map[string]string{
		"alice": {diary: alice.SecretKey, open: alice.SecretKey, ann.added.Address: ann.added.SecretKey},
		"bob":   {diary: bob.SecretKey, ann.added.Address: bob.SecretKey}, "stranger": nil, "others": nil})
	ann.visitor = all["alice"]
	defer all["others"].others()()
	var removed time.Time
	w.run("a phone away from home", func(w *world) {
		wrongKey(w, &phone{visitor: all["bob"].in(w), added: ann.added, ca: ca})
		removed = phoneComesAndGoes(w, ann.in(w))
	})
	w.timed("a client's first page of a private onion", all["alice"].untilReads(diary, time.Minute))
	all["bob"].untilReads(diary, time.Minute)
	w.run("a stranger", func(w *world) { all["stranger"].in(w).cannotDecrypt(diary) })
	w.run("revoke", func(w *world) { w.revoked(all["bob"].in(w), all["alice"].in(w), diary) })
	ann.isRefused(removed, "ann", mailPassword)
	w.run("public, then private", func(w *world) { w.closedToStrangers(all["stranger"].in(w), all["alice"].in(w), open, alice) })
}

func (v *visitor) in(w *world) *visitor {
	sub := *v
	sub.world = w
	return &sub
}

// client is what `tunic grant --new --json` says.
type client struct {
	SecretKey string `json:"secret_key"`
	PublicKey string `json:"public_key"`
}

// newClient makes the key of a visitor without a box.
func (w *world) newClient(onion, name string) (c client) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.must("gateway", "tunic", "grant", onion, name, "--new", "--json")), &c); err != nil ||
		c.SecretKey == "" {
		w.Fatalf("granting: %+v, %v", c, err)
	}
	return c
}

// privateOnion makes one for nobody, which has an address and is not published.
func (w *world) privateOnion(name string) string {
	w.Helper()
	return w.must("gateway", "tunic", "publish", name, "80="+lab.NASOnionTarget, "--private")
}

// missingKey is what tor tells a program that asks for an onion whose
// descriptor it cannot decrypt (tor(1), ExtendedErrors: X'F4').
const missingKey = "(244)"

// cannotDecrypt: a stranger who knows the address gets the descriptor, and
// learns nothing from it.
func (v *visitor) cannotDecrypt(address string) {
	v.Helper()
	ok, said := v.reads(30, address)
	if ok {
		v.Fatal("a stranger reads it")
	}
	if !strings.Contains(said, missingKey) {
		v.Errorf("the stranger's tor says something else than that it has no key: %s", said)
	}
}

// shutOut is how long after the command nothing may work any more, and back by
// when the others have to be.
const (
	shutOut = 10 * time.Second
	back    = 15 * time.Second
)

// revoked: the one who is shut out has the descriptor and a download that runs.
func (w *world) revoked(out, stays *visitor, address string) {
	_, cut := out.download(address)
	w.eventually("the download runs", 20*time.Second, func() bool { return w.nasConnections() > 0 })
	if ok, said := out.reads(15, address); !ok {
		w.Fatalf("before: %s", said)
	}
	begin := time.Now()
	w.must("gateway", "tunic", "revoke", "diary", out.name)
	w.timed("the command", time.Since(begin))
	w.ends("the download of the one who was shut out", cut, begin)
	w.timed("the others are back", w.sinceBack(stays, address, begin))
	w.neverReads(out, address, begin)
}

// ends waits for the end of a download: at the service, where nothing may be read any
// more, and at the visitor, who has what was on the way.
func (w *world) ends(what string, ended chan struct{}, begin time.Time) {
	w.Helper()
	w.eventually(what+" is over at the service", time.Until(begin.Add(shutOut)), func() bool { return w.nasConnections() == 0 })
	w.timed(what+" was over at the service", time.Since(begin))
	select {
	case <-ended:
		w.timed(what+" ended", time.Since(begin))
	case <-time.After(time.Until(begin.Add(shutOut))):
		w.Errorf("%s goes on after %v", what, shutOut)
	}
}

// sinceBack is how long somebody was away who may come in. A relay of the lab may
// keep the end of a circuit that the box has closed (decision 38), and the
// visitor's tor then waits on it for minutes: it is asked for new circuits, once.
func (w *world) sinceBack(v *visitor, address string, begin time.Time) time.Duration {
	w.Helper()
	if ok, said := v.reads(int(back/time.Second), address); !ok {
		w.Logf("%s asks for new circuits: %s", v.name, said)
		v.newNym()
		begin = time.Now()
		v.untilReads(address, time.Minute)
	}
	took := time.Since(begin)
	if took > back {
		w.Errorf("%s was away for %v", v.name, took)
	}
	return took
}

// newNym has the visitor's tor forget circuits and descriptors (control-spec, "SIGNAL").
func (v *visitor) newNym() {
	v.Helper()
	c, err := net.Dial("unix", v.control())
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		_, err = io.WriteString(c, "AUTHENTICATE\r\nSIGNAL NEWNYM\r\nQUIT\r\n")
	}
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	}
	if err != nil {
		v.Fatal(err)
	}
}

// neverReads tries for longer than anybody could have been let in by mistake.
func (w *world) neverReads(v *visitor, address string, begin time.Time) {
	w.Helper()
	tries := 0
	for ; time.Since(begin) < shutOut+2*time.Second || tries < 3; tries++ {
		if ok, _ := v.reads(8, address); ok {
			w.Errorf("%s reads it %v after the command", v.name, time.Since(begin))
			return
		}
		w.pause(time.Second)
	}
	w.Logf("%s tried %d times in vain", v.name, tries)
}

// closedToStrangers: who has read a public onion's descriptor does not come by
// it when the onion is private.
func (w *world) closedToStrangers(stranger, stays *visitor, address string, c client) {
	stranger.untilReads(address, time.Minute)
	_, cut := stranger.download(address)
	w.eventually("the download runs", 20*time.Second, func() bool { return w.nasConnections() > 0 })
	begin := time.Now()
	w.must("gateway", "tunic", "grant", "open", "alice:"+c.PublicKey, "--private")
	w.ends("the download of a stranger", cut, begin)
	w.timed("the client is there", w.sinceBack(stays, address, begin))
	w.neverReads(stranger, address, begin)
}

// nasConnections counts what is open at the nas.
func (w *world) nasConnections() int {
	w.Helper()
	return len(strings.Fields(w.must("nas", "ss", "-HtnO", "state", "established", "sport", "=", fmt.Sprint(lab.NASPort))))
}
